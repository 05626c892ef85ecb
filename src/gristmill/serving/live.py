"""The model that answers now: one reference, replaced whole, while requests go on.

A Bento carries a model, and can be told to serve another one: `current.json` under the workload's serving folder names a
bundle, an unpacked Bento of its own with deployment.json beside it. Only its model is taken, and only if it was packaged
with the same contract and the same serving code; else it needs a new process, and the refusal says so.

    .gristmill/serving/<w>/current.json            {"bundle": "<hash>", ...}, written whole
    .gristmill/serving/<w>/trial.json              likewise, of a version that is tried on live requests (trial.py)
    .gristmill/serving/<w>/bundles/<hash>/         bento.yaml, deployment.json
    .gristmill/serving/<w>/bundles/<hash>/src/     service.py, package.json, model/
"""

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json
from gristmill.serving.golden import check_golden
from gristmill.serving.predictor import ModelError, Predictor, load_predictor
from gristmill.serving.trial import Trial, read_trial

POLL_S = 0.5

_logger = logging.getLogger("gristmill.serving")


class NotReadyError(GristmillError):
    """No model is loaded."""

    def __str__(self) -> str:
        return f"no model is loaded{': ' + self.args[0] if self.args and self.args[0] else ' yet'}"


class SwapRefusedError(GristmillError):
    """What the pointer names cannot replace what answers."""


@dataclass(frozen=True)
class Serving:
    """A model with what is known about it."""

    predictor: Predictor
    package: dict[str, Any]
    """package.json: which model, contract and serving code were put together."""
    deployment: dict[str, Any]
    """deployment.json: what only the one who deploys knows (version, data version, code, ...); may be empty."""

    @property
    def version(self) -> str | None:
        """Its name in the registry; None for a Bento on its own."""
        version: str | None = self.deployment.get("version")
        return version

    @property
    def personal(self) -> frozenset[str] | None:
        """Columns that tell of a person, as the workload's suite has them; None where nobody said."""
        named = self.deployment.get("personal")
        return None if named is None else frozenset(named)


class State(NamedTuple):
    """All that may answer, replaced whole."""

    champion: Serving | None = None
    previous: Serving | None = None
    """What answered before: it is there at once when the pointer goes back to it."""
    trial: Trial[Serving] | None = None
    since: str | None = None
    """When the pointer to the champion was written, ISO 8601; None where there is none."""


def load_serving(source: Path) -> Serving:
    """Load what lies in the `src` folder of an unpacked Bento.

    Raises:
        ModelError: it is incomplete, its parts do not belong together, or it answers otherwise than when it was packaged.
    """
    predictor = load_predictor(source / "model")
    deployment = source.parent / "deployment.json"
    try:
        package = read_json(source / "package.json")
        serving = Serving(predictor, package, read_json(deployment) if deployment.exists() else {})
    except (OSError, ValueError) as error:
        raise ModelError(source / "model", "package.json or deployment.json is not readable") from error
    for key in ("model_sha256", "contract_sha256"):
        if package.get(key) != predictor.manifest.get(key):
            raise ModelError(source / "model", f"package.json names another {key} than manifest.json")
    check_golden(source / "model", predictor, package.get("golden_sha256"))
    return serving


class Live:
    """Holds what answers now, and follows the pointer in a thread of its own."""

    def __init__(
        self, carried: Path, root: Path | None, on_change: Callable[[bool | None], None] = lambda _: None
    ) -> None:
        """Load nothing yet.

        Args:
            carried: the `src` folder of the Bento that runs: what it serves when no pointer says otherwise.
            root: the workload's serving folder, or None where nobody deploys (a Bento on its own).
            on_change: told True when another model was swapped in, False when one was refused, None when a trial began or
                ended.
        """
        self._carried = carried
        self._root = root
        self._on_change = on_change
        self._seen: dict[str, tuple[int, int] | None] = {}
        self._stopped = threading.Event()
        self._watcher: threading.Thread | None = None
        self._state = State()
        self.refusal: str | None = None
        """Why what the pointer names is not what answers."""
        self.trial_refusal: str | None = None
        """Why nothing is tried, though trial.json says so."""

    @property
    def state(self) -> State:
        """What may answer now; read it once for each request."""
        return self._state

    @property
    def current(self) -> Serving | None:
        """What answers now."""
        return self._state.champion

    def ask(self) -> Serving:
        """What answers now.

        Raises:
            NotReadyError: nothing does.
        """
        if (current := self._state.champion) is None:
            raise NotReadyError(self.refusal)
        return current

    def start(self) -> None:
        """Load what the pointer names, else what the Bento carries; then follow the pointer."""
        self.look()
        if self._state.champion is None:
            try:
                self._state = self._state._replace(champion=load_serving(self._carried))
            except GristmillError as error:
                self.refusal = f"{self.refusal} {error}" if self.refusal else str(error)
        self._on_change(None)
        if self._root is not None:
            self._watcher = threading.Thread(target=self._watch, name="pointer", daemon=True)
            self._watcher.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._watcher is not None:
            self._watcher.join()

    def look(self) -> None:
        """Follow what was written since the last look; on any fault what answers now goes on answering."""
        if self._root is None:
            return
        self._follow_pointer(self._root / "current.json")
        self._follow_trial(self._root / "trial.json")

    def _follow_pointer(self, pointer: Path) -> None:
        try:
            if not self._is_new(pointer) or not pointer.exists():
                return  # nothing was deployed, or the pointer was taken away: no reason to stop answering
            since = datetime.fromtimestamp(pointer.stat().st_mtime, UTC).isoformat(timespec="seconds")
            champion = self._load(pointer)
        except GristmillError as error:
            self._refuse(str(error))
            return
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the new model, the old one answers
            self._refuse(f"current.json could not be followed: {type(error).__name__}: {error}.")
            return
        self.refusal = None
        before = self._state.champion
        if champion is not before:
            self._state = self._state._replace(champion=champion, previous=before, since=since)
            _logger.info("%s answers", champion.version)
            if before is not None:
                self._on_change(True)

    def _follow_trial(self, pointer: Path) -> None:
        try:
            if not self._is_new(pointer):
                return
            trial = read_trial(pointer, lambda bundle: self._bundle(pointer, bundle))
            self._state, self.trial_refusal = self._state._replace(trial=trial), None
            self._on_change(None)
        except Exception as error:  # noqa: BLE001 - nothing that is tried may keep the champion from answering
            self._state = self._state._replace(trial=None)
            self.trial_refusal = str(error) if isinstance(error, GristmillError) else f"{type(error).__name__}: {error}"
            _logger.error("nothing is tried: %s", self.trial_refusal)

    def _is_new(self, pointer: Path) -> bool:
        """Whether it was written, or taken away, since the last look."""
        try:
            facts = pointer.stat()
            stamp = (facts.st_mtime_ns, facts.st_ino)
        except FileNotFoundError:
            stamp = None
        if stamp == self._seen.get(pointer.name):
            return False
        self._seen[pointer.name] = stamp
        return True

    def _refuse(self, why: str) -> None:
        self.refusal = why
        _logger.error("the pointer is not followed: %s", why)
        self._on_change(False)

    def _load(self, pointer: Path) -> Serving:
        bundle = read_json(pointer)["bundle"]
        for there in (self._state.champion, self._state.previous):
            if there is not None and there.deployment.get("bundle") == bundle:
                return there
        return self._bundle(pointer, bundle)

    def _bundle(self, pointer: Path, bundle: Any) -> Serving:
        """The model of a bundle, if this process may serve it."""
        if not re.fullmatch(r"[0-9a-f]{16,64}", str(bundle)):
            raise SwapRefusedError(f"{pointer.name} names {str(bundle)[:80]!r}, which no bundle can be called.")
        source = pointer.parent / "bundles" / bundle / "src"
        if not source.is_dir():
            raise SwapRefusedError(f"{pointer.name} names the bundle {bundle}, which is not there. Deploy it again.")
        new = load_serving(source)
        own = read_json(self._carried / "package.json")
        for key, what in (("contract_sha256", "another contract"), ("serving_sha256", "other serving code")):
            if new.package.get(key) != own.get(key):
                raise SwapRefusedError(
                    f"the bundle {bundle} was packaged with {what} than this process runs; "
                    "it needs a process of its own. Stop this one and serve again."
                )
        return new

    def _watch(self) -> None:
        while not self._stopped.wait(POLL_S):
            self.look()

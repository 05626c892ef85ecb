"""The model that answers now: one reference, replaced whole, while requests go on.

A Bento carries a model, and can be told to serve another one: `current.json` under the workload's serving folder names a
bundle, an unpacked Bento of its own with deployment.json beside it. Only its model is taken, and only if it was packaged
with the same contract and the same serving code; else it needs a new process, and the refusal says so.

    .gristmill/serving/<w>/current.json            {"bundle": "<hash>", ...}, written whole
    .gristmill/serving/<w>/bundles/<hash>/         bento.yaml, deployment.json
    .gristmill/serving/<w>/bundles/<hash>/src/     service.py, package.json, model/
"""

import re
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json
from gristmill.serving.predictor import ModelError, Predictor, load_predictor

POLL_S = 0.5


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

    def answer(self, request: Any) -> dict[str, Any]:
        """Answer a request; the stamp belongs to the very model that answered.

        Raises:
            GristmillError: the request is not one that the contract allows.
        """
        return {
            "request_id": uuid.uuid4().hex,
            "version": self.deployment.get("version"),
            "model_sha256": self.package["model_sha256"],
            "predictions": self.predictor.predict(request),
        }


def load_serving(source: Path) -> Serving:
    """Load what lies in the `src` folder of an unpacked Bento.

    Raises:
        ModelError: it is incomplete, or its parts do not belong together.
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
    return serving


class Live:
    """Holds what answers now, and follows the pointer in a thread of its own."""

    def __init__(self, carried: Path, root: Path | None) -> None:
        """Load nothing yet.

        Args:
            carried: the `src` folder of the Bento that runs: what it serves when no pointer says otherwise.
            root: the workload's serving folder, or None where nobody deploys (a Bento on its own).
        """
        self._carried = carried
        self._root = root
        self._seen: tuple[int, int] | None = None
        self._stopped = threading.Event()
        self._watcher: threading.Thread | None = None
        self._current: Serving | None = None
        self.refusal: str | None = None
        """Why what the pointer names is not what answers."""

    @property
    def current(self) -> Serving | None:
        """What answers now; read it once for each request."""
        return self._current

    def ask(self) -> Serving:
        """What answers now.

        Raises:
            NotReadyError: nothing does.
        """
        if (current := self._current) is None:
            raise NotReadyError(self.refusal)
        return current

    def start(self) -> None:
        """Load what the pointer names, else what the Bento carries; then follow the pointer."""
        self.look()
        if self._current is None:
            try:
                self._current = load_serving(self._carried)
            except GristmillError as error:
                self.refusal = f"{self.refusal} {error}" if self.refusal else str(error)
        if self._root is not None:
            self._watcher = threading.Thread(target=self._watch, name="pointer", daemon=True)
            self._watcher.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._watcher is not None:
            self._watcher.join()

    def look(self) -> None:
        """Follow the pointer if it was written since the last look; on any fault what answers now goes on answering."""
        if self._root is None:
            return
        pointer = self._root / "current.json"
        try:
            stat = pointer.stat()
        except FileNotFoundError:
            return  # nothing was deployed, or the pointer was taken away: no reason to stop answering
        except OSError as error:
            self.refusal = f"current.json is not readable: {error}."
            return
        if (stat.st_mtime_ns, stat.st_ino) == self._seen:
            return
        self._seen = (stat.st_mtime_ns, stat.st_ino)
        try:
            self._current = self._load(pointer)
            self.refusal = None
        except GristmillError as error:
            self.refusal = str(error)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the new model, the old one answers
            self.refusal = f"current.json could not be followed: {type(error).__name__}: {error}."

    def _load(self, pointer: Path) -> Serving:
        bundle = read_json(pointer)["bundle"]
        if not re.fullmatch(r"[0-9a-f]{16,64}", str(bundle)):
            raise SwapRefusedError(f"current.json names {str(bundle)[:80]!r}, which no bundle can be called.")
        source = pointer.parent / "bundles" / bundle / "src"
        if not source.is_dir():
            raise SwapRefusedError(f"current.json names the bundle {bundle}, which is not there. Deploy it again.")
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

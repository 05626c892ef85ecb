"""DVC, by its command line: the cache of data and models, and the only judge of what is up to date.

By its command line, since its Python API is bound to the process's working directory and is not thread-safe (measured).
"""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import platformdirs
from configobj import ConfigObj, ConfigObjError
from ruamel.yaml import YAML

from gristmill.adapters.objects import object_path
from gristmill.ground.errors import GristmillError
from gristmill.ground.lifetime import dying_with_caller


class DvcError(GristmillError):
    """DVC refused; its own words follow."""

    def __str__(self) -> str:
        command, message = self.args
        return f"`dvc {command}` failed: {message}"


class CacheMissError(GristmillError):
    """The cache lacks something that the mill names, as in a fresh clone."""

    def __str__(self) -> str:
        cache, what = self.args
        return (
            f"DVC's cache ({cache}) lacks {what}. Where another clone has it, name that one's cache "
            "(`dvc cache dir --local PATH`); else fetch it from a remote (`dvc pull`)."
        )


class StageFailedError(GristmillError):
    """A stage ended with a fault; its last lines follow."""

    def __str__(self) -> str:
        stage, tail = self.args
        said = tail.rpartition(f"\n{stage}: ")[2]  # what a person can mend, the stage says in a sentence of its own
        if said != tail:
            return f"{stage}: " + "\n".join(line for line in said.split("\n") if not line.startswith("ERROR: "))
        return f"stage {stage} failed:\n{tail}"


class StageTimeoutError(GristmillError):
    """A stage worked longer than it may."""

    def __str__(self) -> str:
        stage, limit_s = self.args
        return (
            f"stage {stage} was ended after {limit_s:g} s, its limit. Raise turn.stage_timeout_s in params/, or see why it "
            "takes so long; training goes on from its last checkpoint."
        )


class Dvc:
    """DVC in one working tree, on a cache that may lie elsewhere."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        self.cache = cache

    def share_cache(self) -> None:
        """Point a linked working tree at the main one's cache, by hard links; the file is DVC's own local config."""
        text = f'[cache]\n    dir = "{self.cache}"\n    type = "hardlink,copy"\n[core]\n    autostage = false\n'
        (self.root / ".dvc" / "config.local").write_text(text, "utf-8")

    def add(self, *paths: str) -> None:
        """Track files or folders; below a tracked folder, only what is named needs to be there."""
        self._run("add", "--quiet", *paths)

    def checkout(self, *targets: str) -> None:
        """Bring the tracked content of targets (`x.dvc` files and stages) into the tree.

        Raises:
            CacheMissError: the cache lacks some of it.
        """
        try:
            if targets:
                self._run("checkout", "--force", *targets)  # not --quiet: it would swallow what is missing
        except DvcError as error:
            words = str(error)
            if "Checkout failed for following targets:" not in words:
                raise
            missing = words.split("Checkout failed for following targets:")[1].split("Is your cache")[0]
            raise CacheMissError(self.cache, " ".join(missing.split())) from error

    def restore(self, *stages: str) -> None:
        """Bring what the cache has of stages' outputs into the tree; a stage whose outputs it lacks is stale, and runs."""
        if stages:
            self._run("checkout", "--force", "--allow-missing", *stages)

    def verify_remote(self, name: str) -> None:
        """Set a remote to be verified by whoever pulls from it."""
        self._run("remote", "modify", name, "verify", "true")

    @property
    def lock_file(self) -> Path:
        """Held (flock) by a DVC command in this tree, but not while it runs a stage: then `command_at_work` tells."""
        return self.root / ".dvc" / "tmp" / "lock"

    def command_at_work(self) -> str | None:
        """A DVC command that somebody alive runs in this tree and that reads or writes its data."""
        try:
            held = json.loads((self.root / ".dvc" / "tmp" / "rwlock").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        for entry in held.values():
            for one in (*entry.get("read", ()), *filter(None, [entry.get("write")])):
                if Path(f"/proc/{one['pid']}").exists():
                    return str(one["cmd"])
        return None

    def stale(self, target: str) -> dict[str, Any]:
        """What `dvc status` says of a stage and all before it; empty when everything is up to date."""
        lines = self._run("status", "--json", "--with-deps", target).splitlines()
        return dict(json.loads(lines[-1])) if lines else {}

    def reproduce(
        self, stage: str, report: Callable[[str], None], timeout_s: float, env: Mapping[str, str] | None = None
    ) -> None:
        """Run one stage if DVC finds it stale, handing on each line it prints.

        The whole family dies with the caller: dvc by the kernel's parent-death signal, the stage by its own (else a kill
        would leave a stage that works on as a second writer), and on any exception by their process group.

        Raises:
            StageFailedError: the stage, or dvc itself, ended with a fault.
            StageTimeoutError: it worked longer than timeout_s.
        """
        tail: list[str] = []
        timed_out = threading.Event()
        with subprocess.Popen(
            [*dying_with_caller(), *_DVC, "--wait-for-lock", "repro", "--single-item", stage],
            cwd=self.root,
            env={**self._environment(), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:

            def end() -> None:
                timed_out.set()
                os.killpg(process.pid, signal.SIGKILL)

            limit = threading.Timer(timeout_s, end)
            limit.start()
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if line.strip() and not line.strip().startswith(_HINTS):
                        report(line.rstrip())
                        tail = [*tail[-30:], line.rstrip()]
                process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            finally:
                limit.cancel()
        if timed_out.is_set():
            raise StageTimeoutError(stage, timeout_s)
        if process.returncode != 0:
            raise StageFailedError(stage, "\n".join(tail))

    def object_path(self, md5: str) -> Path:
        """Where the cache keeps an object."""
        return object_path(self.cache, md5)

    def cached(self, md5: str) -> Path:
        """A file in the cache, which is not to be changed.

        Raises:
            CacheMissError: the cache does not hold it.
        """
        path = self.object_path(md5)
        if not path.is_file():
            raise CacheMissError(self.cache, md5)
        return path

    def listing(self, md5: str) -> dict[str, str]:
        """The files of a cached folder (an object whose hash ends in `.dir`): relative path to md5.

        Raises:
            CacheMissError: the cache does not hold it.
        """
        try:
            return {e["relpath"]: e["md5"] for e in json.loads(self.object_path(md5).read_text("utf-8"))}
        except FileNotFoundError as error:
            raise CacheMissError(self.cache, md5) from error

    def extract(self, md5: str, destination: Path) -> None:
        """Copy a cached folder out, without a working tree.

        Raises:
            CacheMissError: the cache does not hold all of it.
        """
        for name, file_md5 in self.listing(md5).items():
            target = destination / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not self.object_path(file_md5).is_file():
                raise CacheMissError(self.cache, f"{name} ({file_md5})")
            shutil.copyfile(self.object_path(file_md5), target)

    def _run(self, *args: str) -> str:
        done = subprocess.run(
            [*dying_with_caller(), *_DVC, "--wait-for-lock", *args],
            cwd=self.root,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            message = " ".join((done.stderr or done.stdout).split()).removeprefix("ERROR: ")
            raise DvcError(args[0], message or f"exit code {done.returncode}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            # dvc.yaml says `python`: the environment that runs us, and the code of this very tree.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(self.root / "src"), os.environ.get("PYTHONPATH")])),
            "PYTHONUNBUFFERED": "1",
            "DVC_SITE_CACHE_DIR": str(self.root / ".dvc" / "tmp" / "site"),
            "DVC_NO_ANALYTICS": "1",
        }


_DVC = (sys.executable, "-m", "dvc")

# What DVC advises a person at a prompt to do next; in a turn the mill does it.
_HINTS = (
    "To track the changes with git",
    "git add ",
    "To enable auto staging",
    "dvc config core.autostage",
    "Use `dvc push`",
    "Generating lock file",
    "Updating lock file",
)


def configured_cache(root: Path) -> Path:
    """Where DVC keeps its cache for a repository, by all four of its configuration files, the nearest last.

    Raises:
        DvcError: one of them cannot be read.
    """
    cache = root / ".dvc" / "cache"
    for file, settings in configurations(root):
        if "dir" in settings.get("cache", {}):
            cache = file.parent / Path(settings["cache"]["dir"]).expanduser()
    return cache.resolve()


def configurations(root: Path) -> list[tuple[Path, dict[str, Any]]]:
    """DVC's configuration files of a repository that exist, the nearest last: by section, by name.

    Raises:
        DvcError: one of them cannot be read.
    """
    folders = [
        Path(os.environ.get("DVC_SYSTEM_CONFIG_DIR") or platformdirs.site_config_dir("dvc", "iterative")),
        Path(os.environ.get("DVC_GLOBAL_CONFIG_DIR") or platformdirs.user_config_dir("dvc", "iterative")),
        root / ".dvc",
    ]
    found = []
    for file in (*(folder / "config" for folder in folders), root / ".dvc" / "config.local"):
        if file.is_file():
            try:
                found.append((file, ConfigObj(str(file), encoding="utf-8", interpolation=False).dict()))
            except (ConfigObjError, UnicodeDecodeError) as error:
                raise DvcError("config", f"{file}: {error}") from error
    return found


def read_lock(text: bytes | None) -> dict[str, Any]:
    """The stages of a dvc.lock, by name; what they hold is not to be changed."""
    return dict(_stages(text)) if text else {}


@lru_cache(8)
def _stages(text: bytes) -> Mapping[str, Any]:
    # DVC writes YAML 1.2, where `no` and `12:30` are words; read as 1.1, a class called no would come back as false.
    return dict((YAML(typ="safe").load(text) or {}).get("stages", {}))


def write_lock(stages: Mapping[str, Any]) -> bytes:
    """A dvc.lock of these stages, in a fixed order."""
    content = {"schema": "2.0", "stages": {name: stages[name] for name in sorted(stages)}}
    writer, text = YAML(), io.BytesIO()
    writer.default_flow_style = False
    writer.dump(content, text)
    return text.getvalue()


def locked_output(stages: Mapping[str, Any], stage: str, path: str) -> dict[str, Any] | None:
    """The md5, size and nfiles of one output in a dvc.lock, or None."""
    for out in stages.get(stage, {}).get("outs", []):
        if out["path"] == path:
            return {key: out[key] for key in ("md5", "size", "nfiles") if key in out}
    return None

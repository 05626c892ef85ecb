"""What a person sees while the story plays: the commands as they would type them, live lines, and what came out."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gristmill.ground.errors import GristmillError
from gristmill.serving.command import free_port


class StoryError(GristmillError):
    """The story cannot go on."""


_STAMP = re.compile(r"^\d\d:\d\d:\d\d(\.\d+)? \|\s*")
_STAGE = re.compile(r"(?P<how>Running stage|Stage) '(?P<stage>[a-z]+)@[^']+'(?P<rest>.*)")
_TABLES = ("history", "status", "versions")
_NOT_NEWS = ("View at", "http://", "Beginning ", "Finished in state", "> exec ", "Verifying outputs")


class Screen:
    """Runs the mill's verbs in one repository, as a person at a prompt would."""

    def __init__(self, root: Path, console: Console) -> None:
        self.root = root
        self.console = console
        self.logs = root / ".gristmill" / "logs"

    def note(self, text: str) -> None:
        """Write a line down with its time, in logs/story.log: what a person sees, and all that the verbs printed."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / "story.log").open("a", encoding="utf-8") as log:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            log.writelines(f"{now} {line}\n" for line in text.splitlines())

    def step(self, title: str) -> None:
        """A heading."""
        self.note(f"# {title}")
        self.console.print()
        self.console.rule(Text(title, "bold"), align="left", style="dim")

    def say(self, text: str) -> None:
        """A sentence of the narrator; what does not fit on a line goes on under its beginning."""
        self.note(text)
        self.console.print(_indented(Text(text.strip()), 2 + len(text) - len(text.lstrip())))

    def listing(self, title: str, items: Sequence[str]) -> None:
        """A short list."""
        self.say(title)
        for item in items:
            grid = Table.grid(padding=(0, 1))
            grid.add_row("•", Text(item))
            self.console.print(_indented(grid, 4))

    def quietly(self, text: str) -> None:
        """A remark."""
        self.note(text)
        self.console.print(_indented(Text(text, "dim"), 4))

    def verb(self, *args: str) -> list[str]:
        """Type `gristmill ARGS`, show its lines as they come, and return them.

        Raises:
            StoryError: it ended with a fault; its last lines follow.
        """
        shown = " ".join(_quoted(arg) for arg in args)
        self.prompt(f"gristmill {shown}")
        command = [str(Path(sys.executable).parent / "gristmill"), *args]
        draws_itself = args[0] == "land" and self.console.is_terminal
        lines: list[str] = []
        turn = Turn()
        with (
            subprocess.Popen(
                command,
                cwd=self.root,
                env={**os.environ, "COLUMNS": str(self.console.width)},
                stdout=subprocess.PIPE,
                stderr=None if draws_itself else subprocess.STDOUT,  # its bars go to the terminal as they are
                text=True,
            ) as process,
            nullcontext() if draws_itself else self.console.status("") as status,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip())
                self.note(lines[-1])
                if (news := turn.hear(lines[-1])) and status:
                    status.update(Text(f"{turn.elapsed_s:3.0f} s  {news}"[: self.console.width - 4], "dim"))
        self.note(f"$ ended with exit code {process.returncode}")
        if process.returncode != 0:
            tail = "\n".join(lines[-25:])
            raise StoryError(f"`gristmill {shown}` ended with exit code {process.returncode}:\n{tail}")
        if args[0] == "run":
            if stages := turn.summary():
                self.quietly(stages)
            self.console.print(_indented(_verdict(lines[-1]), 4))
        else:
            for line in lines:
                self.console.print(_indented(Text(line.rstrip()), 0 if args[0] in _TABLES else 4))
        if args[0] in ("land", "run"):
            self.quietly(f"{turn.elapsed_s:.0f} s")
        return lines

    def prompt(self, command: str) -> None:
        """A command, as a person types it."""
        self.note(f"$ {command}")
        self.console.print()
        self.console.print(_indented(Text(f"$ {command}", "cyan"), 2))

    @contextmanager
    def service(self, workload: str) -> Iterator["Service"]:
        """`gristmill serve WORKLOAD` for as long as the block lasts.

        Raises:
            StoryError: it is not ready within two minutes.
        """
        port = free_port()
        self.prompt(f"gristmill serve {workload} --port {port} &")
        command = [str(Path(sys.executable).parent / "gristmill"), "serve", workload, "--port", str(port)]
        log = self.logs / f"serve-{workload}.log"
        with log.open("wb") as file, subprocess.Popen(command, cwd=self.root, stdout=file, stderr=file) as process:
            try:
                service = Service(f"http://127.0.0.1:{port}")
                deadline = time.monotonic() + 120
                while not service.is_ready():
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise StoryError(f"the service of {workload} did not start; {log} says why.")
                    time.sleep(0.1)
                yield service
            finally:
                process.terminate()
                process.wait(60)


class Turn:
    """What the lines of a running `gristmill run` tell: the newest of them, and how long each stage took."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.stages: dict[str, str] = {}
        self._running: tuple[str, float] | None = None

    @property
    def elapsed_s(self) -> float:
        """Since it began."""
        return time.monotonic() - self.started

    def hear(self, line: str) -> str | None:
        """Take in a line; returns what of it is worth showing while it is the newest."""
        news = _STAMP.sub("", line).strip()
        if found := _STAGE.match(news):
            self._end_stage()
            stage = found["stage"]
            if found["how"] == "Running stage":
                self._running = (stage, time.monotonic())
                return f"{stage} ..."
            if "is cached" in found["rest"]:
                self.stages[stage] = "from the run cache"
            return None
        if news.endswith("each with one status"):
            self._end_stage()
        if not news or news.startswith(_NOT_NEWS):
            return None
        return f"{self._running[0]}: {news.removeprefix(self._running[0] + ': ')}" if self._running else news

    def summary(self) -> str:
        """The stages that were stale, with their seconds."""
        self._end_stage()
        return " · ".join(f"{stage} {took}" for stage, took in self.stages.items())

    def _end_stage(self) -> None:
        if self._running:
            stage, since = self._running
            self.stages[stage] = f"{time.monotonic() - since:.0f} s"
            self._running = None


class Service:
    """A running service, asked over HTTP."""

    def __init__(self, address: str) -> None:
        self.address = address

    def is_ready(self) -> bool:
        """Whether a model is loaded."""
        try:
            with urllib.request.urlopen(f"{self.address}/readyz", timeout=5):  # noqa: S310 - loopback
                return True
        except OSError:
            return False

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """POST /predict."""
        body, headers = json.dumps(request).encode(), {"content-type": "application/json"}
        post = urllib.request.Request(f"{self.address}/predict", body, headers)  # noqa: S310 - loopback
        with urllib.request.urlopen(post, timeout=30) as response:  # noqa: S310
            return dict(json.load(response))

    def version(self) -> str:
        """The version that answers, by GET /model."""
        with urllib.request.urlopen(f"{self.address}/model", timeout=30) as response:  # noqa: S310 - loopback
            return str(json.load(response)["version"])

    def await_version(self, version: str, limit_s: float = 30) -> float:
        """Seconds until that version answers.

        Raises:
            StoryError: it does not within the limit.
        """
        started = time.monotonic()
        while self.version() != version:
            if time.monotonic() - started > limit_s:
                raise StoryError(f"{self.address} still answers with {self.version()} instead of {version}.")
            time.sleep(0.1)
        return time.monotonic() - started


def _quoted(arg: str) -> str:
    return f'"{arg}"' if " " in arg else arg


def shown_files(files: Sequence[Path]) -> str:
    """File names, for a sentence."""
    return ", ".join(file.name for file in files)


def _indented(what: RenderableType, columns: int) -> Padding:
    return Padding(what, (0, 0, 0, columns))


def _verdict(line: str) -> Text:
    """The last line of a turn: how it ended in bold, then its sentence."""
    outcome, colon, sentence = line.partition(": ")
    style = {"Promoted": "bold green", "Held": "bold yellow", "Rejected": "bold red"}.get(outcome, "bold")
    return Text.assemble((outcome + colon, style), sentence)

"""One process that `gristmill up` keeps, with a log of its own; it ends with whoever started it, however that ends."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gristmill.ground.lifetime import dying_with_caller

_END_LIMIT_S = 10


@dataclass
class Child:
    """A process, started as often as it is asked for."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    quick_deaths: int = 0
    pipe: Callable[[str], None] | None = None
    """Told each line that it prints, besides the log."""

    def start(self) -> None:
        """Start it, in a session of its own: Ctrl-C is for the one who ends the others in order."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        log = self.log.open("ab")
        self.process = subprocess.Popen(
            [*([] if self.command[0].endswith("setpriv") else dying_with_caller()), *self.command],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self.pipe else log,
            stderr=log,
            start_new_session=True,
        )
        if self.pipe and self.process.stdout:
            threading.Thread(target=_copy, args=(self.process.stdout, log, self.pipe), daemon=True).start()
        else:
            log.close()
        self.started = time.monotonic()

    @property
    def is_running(self) -> bool:
        """Whether it was started and lives."""
        return self.process is not None and self.process.poll() is None

    @property
    def is_dead(self) -> bool:
        """Whether it was started and has ended."""
        return self.process is not None and self.process.poll() is not None

    def end(self) -> None:
        """Ask it to end, and end it if it does not."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_END_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None


def _copy(stream: IO[bytes], log: IO[bytes], tell: Callable[[str], None]) -> None:
    with stream, log:
        for line in stream:
            log.write(line)
            log.flush()
            tell(line.decode("utf-8", "replace").rstrip("\n"))

"""What watchers say: each sentence once, and again only when it has changed."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from gristmill.ground.errors import GristmillError
from gristmill.runs.dropped import printable, words_of


class Voice:
    """Says a sentence once, and again only when it has changed; several threads may speak."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._turn = threading.Lock()
        self.told: dict[str, str] = {}
        """What it is about, and the sentence that is true of it now."""

    def say(self, line: str) -> None:
        """Say what has happened."""
        self._say(printable(line))

    def tell(self, about: str, sentence: str | None) -> None:
        """What is true of something from now on; None: nothing worth a word."""
        with self._turn:
            if sentence is None:
                self.told.pop(about, None)
                return
            sentence = printable(sentence)
            if sentence not in self.told.values():  # a full disk is one sentence, however many files it keeps waiting
                self._say(sentence)
            self.told[about] = sentence

    @contextlib.contextmanager
    def faults(self, about: str) -> Iterator[None]:
        """Tell what goes wrong in the block, and end the block alone."""
        try:
            yield
        except (GristmillError, OSError) as error:
            self.tell(about, words_of(error))
        else:
            self.tell(about, None)

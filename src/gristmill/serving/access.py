"""Who may ask: bearer tokens (RFC 6750) from a file that only its owner can read, taken over without a restart.

The file holds one token on each line; lines that begin with # are remarks. Several hold at once, so that a new one can be
given out before an old one is taken away. Tokens are compared by their hashes, in a time that depends on none of them, and
stand in no log. Without a file everybody may ask: then the service has to listen on the loopback interface, as it does.
"""

import hashlib
import hmac
import logging
import os
import time
from pathlib import Path

from gristmill.ground.errors import GristmillError

ALWAYS_OPEN = frozenset({"/livez", "/readyz"})
"""Whoever watches a service has no token."""
_LOOK_S = 1.0
_SHORTEST = 16

_logger = logging.getLogger("gristmill.serving")


class TokenFileError(GristmillError):
    """A file of tokens that cannot be trusted."""

    def __str__(self) -> str:
        path, problem = self.args
        return f"the token file {path} {problem}."


class Access:
    """Which requests may pass."""

    def __init__(self, file: Path | None, opened: frozenset[str] = frozenset()) -> None:
        """Read the tokens.

        Args:
            file: of the tokens; None lets everybody pass.
            opened: paths, such as /metrics, that need no token.

        Raises:
            TokenFileError: it is not there, others can read it, or it holds no token.
        """
        self._file = file
        self._open = ALWAYS_OPEN | opened
        self._stamp: tuple[int, int] | None = None
        self._looked = time.monotonic()
        self._hashes: list[bytes] = []
        if file is not None:
            self._stamp, self._hashes = _stamp(file), read_tokens(file)

    @property
    def is_guarded(self) -> bool:
        """Whether a token is asked for at all."""
        return self._file is not None

    def allows(self, path: str, authorization: bytes) -> bool:
        """Whether a request with this header may pass."""
        if self._file is None or path in self._open:
            return True
        self._follow()
        scheme, _, token = authorization.partition(b" ")
        given = hashlib.sha256(token.strip()).digest()
        found = False
        for known in self._hashes:  # all of them, so that time tells nothing
            found |= hmac.compare_digest(given, known)
        return found and scheme.lower() == b"bearer"

    def _follow(self) -> None:
        """Take over a file that has changed; one that cannot be trusted changes nothing, and is complained of."""
        now = time.monotonic()
        if self._file is None or now - self._looked < _LOOK_S:
            return
        self._looked = now
        if (stamp := _stamp(self._file)) == self._stamp:
            return
        self._stamp = stamp
        try:
            self._hashes = read_tokens(self._file)
        except TokenFileError as error:
            _logger.error("%s The tokens from before hold on.", error)


def read_tokens(path: Path) -> list[bytes]:
    """The SHA-256 of each token.

    Raises:
        TokenFileError: it is not there, others can read it, or it holds no token, or one that could be guessed.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenFileError(path, f"cannot be read ({getattr(error, 'strerror', None) or 'it is no text'})") from error
    if mode & 0o077:
        raise TokenFileError(path, f"can be read by others (mode {mode & 0o777:o}): `chmod 600 {path}`")
    tokens = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not tokens:
        made = 'python -c "import secrets; print(secrets.token_urlsafe())"'
        raise TokenFileError(path, f"holds no token; `{made}` makes one")
    if short := sum(len(token) < _SHORTEST for token in tokens):
        raise TokenFileError(path, f"holds {short} that could be guessed: a token has at least {_SHORTEST} characters")
    return [hashlib.sha256(token.encode()).digest() for token in tokens]


def from_environment() -> Access:
    """What GRISTMILL_TOKENS (a file) and GRISTMILL_OPEN (paths, with commas between) say."""
    file = os.environ.get("GRISTMILL_TOKENS")
    opened = frozenset(filter(None, os.environ.get("GRISTMILL_OPEN", "").split(",")))
    return Access(Path(file) if file else None, opened)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_ino

"""A real PostgreSQL for the session: made in a folder of its own, reached over loopback with a password."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "GRISTMILL_TEST_PASSWORD"


@dataclass(frozen=True)
class Postgres:
    """Where it answers. `owner` may do anything, `reader` may read what it is granted."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """As `reader`, without the password."""
        return f"postgresql+psycopg://reader@127.0.0.1:{self.port}/postgres"

    def connect(self) -> Any:
        """A connection of `owner`'s, for the one who writes."""
        import psycopg

        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname="postgres", user="owner", password=self.password
        )

    def run(self, *statements: str) -> None:
        """Run statements as `owner`, in one transaction."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement)


def programs() -> Path | None:
    """The folder of initdb, as Debian's package has it, or as PATH does."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    found = shutil.which("initdb")
    return debian[-1].parent if debian else Path(found).parent if found else None


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Start one, and remove it; skips where PostgreSQL is not installed."""
    bin_dir = programs()
    if bin_dir is None:
        pytest.skip(
            "PostgreSQL is not installed: `apt install postgresql` (its programs are enough, no server need run)"
        )
    user = pwd.getpwnam("nobody").pw_name if os.geteuid() == 0 else None  # it refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="gristmill-postgres-"))  # not pytest's own, which nobody may enter
    password = secrets.token_hex(12)
    try:
        (folder / "password").write_text(password)
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        data = folder / "data"
        options: dict[str, Any] = {
            "user": user,
            "cwd": folder,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.STDOUT,
        }
        make = f"initdb -D {data} -U owner --pwfile {folder}/password -A scram-sha-256 -E UTF8 --locale=C --no-sync"
        subprocess.run([bin_dir / "initdb", *make.split()[1:]], check=True, **options)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with subprocess.Popen([bin_dir / "postgres", "-D", data, *words], **options) as server:
            made = Postgres(port, password)
            try:
                _wait(made, server)
                made.run(f"CREATE ROLE reader LOGIN PASSWORD '{password}'")
                yield made
            finally:
                server.terminate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(made: Postgres, server: "subprocess.Popen[bytes]") -> None:
    import psycopg

    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        try:
            made.connect().close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise AssertionError("PostgreSQL did not start")

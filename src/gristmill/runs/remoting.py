"""Setting up a remote: in the tree at hand, and on `mill`, where `dvc get --rev mill` and a fresh clone look for it."""

from pathlib import Path

from gristmill.adapters.remotes import check_address, with_remote
from gristmill.ground.files import write_text
from gristmill.registry.mill import BEGINNING, Change
from gristmill.runs.repository import Repository

CONFIG = ".dvc/config"


def add_remote(repository: Repository, name: str, url: str, endpoint: str | None = None) -> str:
    """Write a remote that is verified into DVC's configuration; the first one is the default.

    Args:
        repository: whose.
        name: of the remote.
        url: a folder, which is made, or `s3://BUCKET/PREFIX`.
        endpoint: address of an S3 service that is not Amazon's.

    Returns:
        Its address, as it was written.

    Raises:
        RemoteNameError, RemoteUrlError: it cannot be so; nothing was written.
    """
    settings = check_address(name, url, endpoint, Path.cwd())
    local = repository.here / CONFIG
    present = local.read_bytes() if local.is_file() else b""
    written = with_remote(present, name, settings)
    with_remote(_mills(repository, repository.mill.tip()), name, settings)  # refuses before anything is written
    if "://" not in settings["url"]:
        Path(settings["url"]).mkdir(parents=True, exist_ok=True)
    if written != present:
        write_text(local, written.decode())

    def build(tip: str | None) -> list[Change] | None:
        before = _mills(repository, tip)
        after = with_remote(before, name, settings)
        return (
            [Change(f"remote {name}", {CONFIG: after}, {"Actor": repository.git.actor()})] if after != before else None
        )

    repository.mill.commit(build)
    return settings["url"]


def _mills(repository: Repository, tip: str | None) -> bytes:
    return (repository.mill.read(CONFIG, tip) if tip else None) or BEGINNING[CONFIG]

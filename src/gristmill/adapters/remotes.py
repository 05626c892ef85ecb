"""DVC's remotes: where they are, and their objects, read and written as DVC lays them out.

DVC brings objects to and fro without reading them: a damaged one is pushed, or dropped from the cache, with exit code 0, and
pulled in silence unless the remote says `verify = true` (measured with 3.67). So what the mill carries it carries itself,
and looks at every byte on the way. Folders and S3 are what it knows.
"""

import io
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from configobj import ConfigObj, ConfigObjError

from gristmill.adapters.dvc import DvcError, configurations
from gristmill.adapters.objects import CHUNK, object_name, parse_list
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import new_file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CONNECT_S, _READ_S, _ATTEMPTS = 4, 6, 2
"""Seconds between two packets, not in all; s3fs alone would try for minutes."""


class RemoteNameError(GristmillError):
    """A remote that is not there, or a name that none can have."""


class RemoteUrlError(GristmillError):
    """An address that cannot be a remote's."""


class RemoteFaultError(GristmillError):
    """A remote that does not answer, or refuses."""

    def __str__(self) -> str:
        name, url, reason = self.args
        return f"the remote '{name}' ({_shown(url)}) cannot be reached or refuses: {reason}."


class UnverifiedRemoteError(GristmillError):
    """A remote from which plain DVC would take damaged objects in silence."""

    def __str__(self) -> str:
        return (
            f"the remote '{self.args[0]}' is not set to be verified, so plain `dvc pull` would take a damaged object from "
            f"it without a word. `gristmill fsck --repair` or `dvc remote modify {self.args[0]} verify true` mends it."
        )


class Remote:
    """One remote: a folder or an S3 prefix that holds objects under the names that DVC gives them."""

    def __init__(self, name: str, url: str, options: Mapping[str, Any], is_own: bool = True) -> None:
        self.is_own = is_own  # False for another clone's cache: it is taken from, and never judged nor written
        self.name = name
        self.url = url
        self.options = dict(options)

    @property
    def verifies(self) -> bool:
        """Whether plain DVC hashes what it takes from here."""
        return str(self.options.get("verify", "")).lower() in ("true", "yes", "on", "1")

    @property
    def folder(self) -> Path | None:
        """Where it lies on a disk; None where it lies elsewhere."""
        return None if "://" in self.url else Path(self.url)

    def check_verifies(self) -> None:
        """Refuse a remote that is not set to be verified.

        Raises:
            UnverifiedRemoteError: it is not.
        """
        if not self.verifies:
            raise UnverifiedRemoteError(self.name)

    def objects(self) -> dict[str, int]:
        """Size in bytes of every object, by its name (an MD5, with `.dir` behind it for a folder's list).

        Raises:
            RemoteFaultError: the remote cannot be read.
        """
        with self._told():
            self._files.invalidate_cache()
            if (
                self.folder and not self.folder.is_dir()
            ):  # an unmounted disk must not become a folder by being written to
                raise FileNotFoundError("there is no such folder; where it is another disk, it is not mounted")
            found = self._files.find(f"{self._root}/files/md5", detail=True)
            if not found and not self.folder:  # nothing yet, or not even a bucket
                self._files.info(self._root.partition("/")[0])
        sizes = {}
        for path, facts in found.items():
            if md5 := object_name(path):
                sizes[md5] = int(facts["size"])
        return sizes

    def chunks(self, md5: str, size: int) -> Iterator[bytes]:
        """An object's bytes, a few at a time.

        Raises:
            RemoteFaultError: it cannot be read.
        """
        for start in range(0, size, CHUNK):
            with self._told():
                yield self._files.cat_file(self._path(md5), start=start, end=min(start + CHUNK, size))

    def read_list(self, md5: str, size: int) -> dict[str, str]:
        """The files of a folder, relative path to md5.

        Raises:
            RemoteFaultError: it cannot be read.
        """
        return parse_list(b"".join(self.chunks(md5, size)))

    def put(self, md5: str, file: Path) -> None:
        """Write an object, whole or not at all.

        Raises:
            RemoteFaultError: it cannot be written.
        """
        with self._told():
            if self.folder:
                with new_file(Path(self._path(md5))) as temporary:
                    shutil.copyfile(file, temporary)
            else:
                self._files.put_file(str(file), self._path(md5))

    def _path(self, md5: str) -> str:
        return f"{self._root}/files/md5/{md5[:2]}/{md5[2:]}"

    @property
    def _root(self) -> str:
        return self.url if self.folder else self.url.partition("://")[2].rstrip("/")

    @cached_property
    def _files(self) -> Any:
        import fsspec

        if self.folder:
            return fsspec.filesystem("file", skip_instance_cache=True)
        if urlsplit(self.url).scheme != "s3":
            raise RemoteUrlError(
                f"the remote '{self.name}' is {_shown(self.url)}; the mill knows folders and s3://BUCKET/PREFIX. "
                "`dvc push` and `dvc pull` know others, and check nothing."
            )
        try:
            files = fsspec.filesystem("s3", skip_instance_cache=True, **_s3_words(self.options))
        except ImportError as error:
            raise GristmillError("S3 needs libraries that are not installed: `pip install 'gristmill[s3]'`.") from error
        files.retries = _ATTEMPTS
        return files

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except _faults() as error:
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise RemoteFaultError(self.name, self.url, reason) from error


def read_remotes(root: Path, mills: bytes | None = None) -> tuple[dict[str, Remote], str | None]:
    """Every remote of a repository, and the name of the one that is meant where none is named.

    Args:
        root: the repository, with DVC's own four files; the nearest wins.
        mills: the configuration that `mill` carries, which a fresh clone has before anything is committed on `main`.

    Raises:
        DvcError: a configuration cannot be read.
    """
    told: dict[str, dict[str, Any]] = {}
    default = None
    for file, settings in [(root / ".dvc" / "config", _parsed(mills or b"")), *configurations(root)]:
        default = settings.get("core", {}).get("remote", default)
        for section, options in settings.items():
            if name := re.fullmatch(r"""['"]?remote "(.*)"['"]?""", section):
                known = told.setdefault(name[1], {})
                known.update(options)
                if "url" in options and "://" not in options["url"]:
                    known["url"] = str((file.parent / Path(options["url"]).expanduser()).resolve())
    remotes = {name: Remote(name, options["url"], options) for name, options in told.items() if "url" in options}
    return remotes, default if default in remotes else next(iter(remotes), None) if len(remotes) == 1 else None


def find_remote(remotes: Mapping[str, Remote], name: str | None) -> Remote:
    """One remote.

    Raises:
        RemoteNameError: there is none of that name; None: no default was given.
    """
    if name is not None and name in remotes:
        return remotes[name]
    if not remotes:
        raise RemoteNameError("there is no remote yet. `gristmill remote add NAME FOLDER_OR_S3_URL` sets one up.")
    known = f"There are: {', '.join(remotes)}."
    raise RemoteNameError(f"there is no remote '{name}'. {known}" if name else f"Say which remote is meant. {known}")


def check_address(name: str, url: str, endpoint: str | None, folder: Path) -> dict[str, str]:
    """The settings of a remote that a person asked for, safe to be committed.

    Args:
        name: of the remote.
        url: a folder, from `folder` on, or `s3://BUCKET/PREFIX`.
        endpoint: address of an S3 service that is not Amazon's.
        folder: where the person stands.

    Raises:
        RemoteNameError, RemoteUrlError: they cannot be; above all, none may hold a secret.
    """
    if not _NAME.fullmatch(name):
        raise RemoteNameError(f"'{name}' cannot name a remote: use letters, digits, dots, dashes.")
    for one in filter(None, (url, endpoint)):
        parts = urlsplit(one) if "://" in one else None
        if parts and ("@" in parts.netloc or parts.query or parts.fragment):
            raise RemoteUrlError(
                f"the address {_shown(one)} holds more than an address, and would be committed for all to read. Leave it "
                f"out: keys come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE) or from "
                f"`dvc remote modify --local {name} ...`, which git ignores."
            )
    if "://" not in url:
        if endpoint:
            raise RemoteUrlError("--endpoint is for S3; a folder has none.")
        return {"url": str((folder / Path(url).expanduser()).resolve()), "verify": "true"}
    if urlsplit(url).scheme != "s3" or not urlsplit(url).netloc:
        raise RemoteUrlError(f"'{url}' is no remote of the mill: a folder, or s3://BUCKET/PREFIX.")
    settings = {"url": url.rstrip("/"), "verify": "true"}
    if endpoint:
        if urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).netloc:
            raise RemoteUrlError(
                f"--endpoint is '{endpoint}'; an address such as https://minio.example.org is expected."
            )
        settings["endpointurl"] = endpoint
    return settings


def with_remote(config: bytes, name: str, settings: Mapping[str, str]) -> bytes:
    """A configuration of DVC's with one remote set so; it is the default where there was none.

    Raises:
        RemoteNameError: it has another one of that name.
    """
    content = ConfigObj(io.BytesIO(config), encoding="utf-8", interpolation=False, indent_type="    ")
    section = f'remote "{name}"'
    quoted = next((key for key in content if key.strip("'\"") == section.strip("'\"")), section)
    present = content.get(quoted, {}).get("url")
    if present not in (None, settings["url"]):
        raise RemoteNameError(
            f"a remote '{name}' is there already: {_shown(present)}. Choose another name, or remove that one first "
            f"(`dvc remote remove {name}`)."
        )
    content.setdefault(quoted, {}).update(settings)
    content.setdefault("core", {}).setdefault("remote", name)
    text = io.BytesIO()
    content.write(text)
    return text.getvalue()


def _parsed(config: bytes) -> dict[str, Any]:
    try:
        return dict(ConfigObj(io.BytesIO(config), encoding="utf-8", interpolation=False).dict())
    except (ConfigObjError, UnicodeDecodeError) as error:
        raise DvcError("config", f"the branch mill: {error}") from error


def _s3_words(options: Mapping[str, Any]) -> dict[str, Any]:
    """What s3fs is told of a remote: DVC's own settings, and patience that ends."""
    given = {"endpoint_url": options.get("endpointurl"), "region_name": options.get("region")}
    if str(options.get("ssl_verify", "")).lower() == "false":
        given["verify"] = False
    words = {
        "key": options.get("access_key_id"),
        "secret": options.get("secret_access_key"),
        "token": options.get("session_token"),
        "profile": options.get("profile"),
        "anon": str(options.get("allow_anonymous_login", "")).lower() == "true" or None,
        "use_ssl": False if str(options.get("use_ssl", "")).lower() == "false" else None,
    }
    for variable, option in (("AWS_SHARED_CREDENTIALS_FILE", "credentialpath"), ("AWS_CONFIG_FILE", "configpath")):
        if option in options:
            os.environ[variable] = str(Path(options[option]).expanduser())  # as DVC itself does
    return {
        **{key: value for key, value in words.items() if value is not None},
        "client_kwargs": {key: value for key, value in given.items() if value is not None},
        "config_kwargs": {
            "connect_timeout": _CONNECT_S,
            "read_timeout": _READ_S,
            "retries": {"max_attempts": 0},
        },
    }


def _faults() -> tuple[type[Exception], ...]:
    try:
        from aiohttp import ClientError as TransferError
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return (OSError,)
    return OSError, BotoCoreError, ClientError, TransferError


def _shown(url: str) -> str:
    """An address without what may be secret in it."""
    return re.sub(r"(?<=//)[^/@]*@", "", url).partition("?")[0]

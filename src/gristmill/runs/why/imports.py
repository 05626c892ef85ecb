"""How a stage comes to a file: the shortest chain of imports, read from the source and never by importing it."""

import ast
from collections import deque
from collections.abc import Iterator, Mapping

_SOURCE, _OURS = "src/", "src/gristmill/"


def import_chain(files: Mapping[str, bytes], stage: str, kind: str, target: str) -> tuple[str, ...]:
    """The files from the stage's own to the target, both included; empty where no import leads there.

    Args:
        files: a state of the code, by path.
        stage: where it begins; what every stage starts with comes next.
        kind: its workload's, for kinds are loaded by name.
        target: a path.
    """
    starts = (f"{_OURS}stages/{stage}.py", f"{_OURS}stages/__main__.py")
    came_from: dict[str, str | None] = dict.fromkeys(starts)
    waiting = deque(starts)
    while waiting and target not in came_from:
        here = waiting.popleft()
        for there in _imported(files, here, {"kind": kind, "stage": stage}):
            if there not in came_from:
                came_from[there] = here
                waiting.append(there)
    chain: list[str] = []
    step = target if target in came_from else None
    while step:
        chain.append(step.removeprefix(_OURS).removeprefix(_SOURCE))
        step = came_from[step]
    return tuple(reversed(chain))


def _imported(files: Mapping[str, bytes], path: str, names: Mapping[str, str]) -> Iterator[str]:
    """Files that one file imports, packages on the way to them included."""
    try:
        tree = ast.parse(files.get(path, b"") if path.endswith(".py") else b"")
    except (SyntaxError, ValueError):  # an edit that is not finished
        return
    for module in _modules(tree, _module_name(path), path.endswith("/__init__.py"), names):
        parts = module.split(".")
        for n in range(1, len(parts) + 1):
            folder = _SOURCE + "/".join(parts[:n])
            for file in (f"{folder}/__init__.py", f"{folder}.py"):
                if file in files:
                    yield file


def _modules(node: ast.AST, module: str, is_package: bool, names: Mapping[str, str]) -> Iterator[str]:
    """Dotted names of what is imported anywhere in a tree, except for type checkers alone."""
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            for statement in node.orelse:
                yield from _modules(statement, module, is_package, names)
            return
        case ast.Import():
            yield from (alias.name for alias in node.names)
        case ast.ImportFrom():
            parts = module.split(".")
            above = parts[: len(parts) + is_package - node.level] if node.level else []
            package = ".".join([*above, *filter(None, [node.module])])
            yield package
            yield from (f"{package}.{alias.name}" for alias in node.names)
        case ast.Call(func=ast.Attribute(attr="import_module") | ast.Name(id="import_module"), args=[name, *_]):
            yield _loaded(name, {**names, "__name__": module})
    for child in ast.iter_child_nodes(node):
        yield from _modules(child, module, is_package, names)


def _loaded(name: ast.expr, names: Mapping[str, str]) -> str:
    """A module that is loaded by name, as in f"gristmill.kinds.{workload.kind}.records"."""
    text = ""
    for part in name.values if isinstance(name, ast.JoinedStr) else [name]:
        match part:
            case ast.Constant(value=str(value)):
                text += value
            case ast.FormattedValue(value=ast.Name(id=key) | ast.Attribute(attr=key)):
                text += names.get(key, "")
    return text


def _module_name(path: str) -> str:
    return path.removeprefix(_SOURCE).removesuffix(".py").removesuffix("/__init__").replace("/", ".")

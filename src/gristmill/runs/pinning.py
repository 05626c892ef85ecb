"""Declaring the installed libraries in versions.yaml."""

import re
from pathlib import Path

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import write_text
from gristmill.ground.process import installed_release


def pin_versions(root: Path) -> list[str]:
    """Rewrite each release in versions.yaml to the installed one, leaving comments as they are.

    Returns:
        A line for each change.

    Raises:
        GristmillError: a declared library is not installed.
    """
    path, changes = root / "versions.yaml", []
    lines = path.read_text("utf-8").splitlines()
    for number, line in enumerate(lines):
        if match := re.fullmatch(r'(\w[\w-]*): "([^"]*)"', line):
            library, declared = match.groups()
            installed = installed_release(library)
            if installed is None:
                raise GristmillError(
                    f"{library} of versions.yaml is not installed. `make install` installs everything."
                )
            if installed != declared:
                lines[number] = f'{library}: "{installed}"'
                changes.append(f"{library} {declared} -> {installed}")
    if changes:
        write_text(path, "\n".join(lines) + "\n")
    return changes or ["versions.yaml names the installed libraries already"]

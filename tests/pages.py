"""What the pages tell a reader to type."""

import re
from pathlib import Path


def printed_commands(page: Path, heading: str) -> list[str]:
    """The commands of the one console block under a heading."""
    (section,) = re.findall(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    (block,) = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]

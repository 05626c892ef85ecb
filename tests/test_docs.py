"""What the pages say is what the code does: tables of settings, verbs, stages, links and commands."""

import re
from pathlib import Path

import pytest
from tools.reference import PAGE, filled
from typer.main import get_command

from gristmill.cli import app
from gristmill.ground.pipeline import STAGES
from gristmill.quality.statuses import Status
from gristmill.registry.history import _TRAILERS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = re.compile(r"```\w*\n.*?```|`[^`\n]+`", re.DOTALL)


def code_in(page: Path) -> str:
    return "\n".join(CODE.findall(page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """Headings as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_tables_of_settings_are_those_of_the_classes() -> None:
    page = PAGE.read_text("utf-8")
    assert filled(page) == page, "run `python -m tools.reference`"


def test_every_class_of_settings_has_a_table() -> None:
    defined = []
    for path in (ROOT / "src" / "gristmill").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        for name, base in re.findall(r"^class (\w+)\((\w+)\)", path.read_text("utf-8"), re.MULTILINE):
            defined.append((name, base, f"{module}.{name}"))
    settings = {"Settings"}
    while more := {name for name, base, _ in defined if base in settings} - settings:
        settings |= more
    bases = {base for _, base, _ in defined}  # what they have is in the tables of those who have it from them
    classes = {cls for name, base, cls in defined if base in settings and name not in bases}
    assert classes == set(re.findall(r"<!-- settings: ([\w.]+) -->", PAGE.read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_verb_and_option_on_a_page_exists(page: Path) -> None:
    for typed in re.findall(r"gristmill ([a-z]+\b[^`\n|]*)", code_in(page)):
        words = typed.split()
        command = root = get_command(app)
        while words and (verb := getattr(command, "commands", {}).get(words[0])):
            command, words = verb, words[1:]
        assert command is not root and (not hasattr(command, "commands") or not words), f"gristmill {typed}"
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z]+", typed)) <= options, f"gristmill {typed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_target_of_make_on_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", code_in(page))) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_the_reference_names_every_verb_stage_status_and_trailer() -> None:
    page = PAGE.read_text("utf-8")
    for verb in get_command(app).commands:  # type: ignore[attr-defined]
        assert f"| `gristmill {verb}` |" in page
        assert f"| `gristmill {verb}" in (ROOT / "README.md").read_text("utf-8")
    for stage in STAGES:
        assert f"\n| `{stage}` |" in page
    for status in Status:
        assert f"\n| {status.name.lower()} |" in page
    for trailer in _TRAILERS:
        assert f"`{trailer}`" in page

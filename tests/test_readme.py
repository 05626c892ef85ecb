"""A person's path in the README works when it is typed exactly as it is printed."""

from pathlib import Path

from tests.pages import printed_commands, type_in

from gristmill.registry.versions import read_versions
from gristmill.runs.repository import Repository

ROOT = Path(__file__).resolve().parent.parent


def test_a_persons_path_as_printed_ends_with_every_stage_from_the_run_cache_and_a_new_version(
    turned: Repository,
) -> None:
    said: dict[str, list[str]] = {}
    for command in (commands := printed_commands(ROOT / "README.md", "Your own idea")):
        said.setdefault(command, []).append(type_in(turned.root, command))
    first, second = said["dvc repro package@credit-risk"]
    assert "Running stage 'train@credit-risk'" not in first
    assert "Running stage 'train@credit-risk'" in second
    (run,) = (command for command in commands if command.startswith("gristmill run"))
    assert "Running stage" not in said[run][0]
    assert said[run][0].count("is cached - skipping run") >= 4
    assert [version.version for version in read_versions(turned.git, "credit-risk")] == ["v1.0.0", "v1.1.0"]

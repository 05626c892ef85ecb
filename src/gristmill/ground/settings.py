"""Typed settings, read from one section of params/<workload>.yaml.

The values live in YAML, where DVC sees each of them; the meaning and the bounds live in the class beside the code that
reads it. A wrong value stops before any work is done, with file, key and allowed range.
"""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from gristmill.ground.errors import GristmillError


class SettingsError(GristmillError):
    """A parameter is missing, unknown or out of range."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        super().__init__(path, problems)
        self.path = path
        self.problems = problems

    def __str__(self) -> str:
        here = Path.cwd()  # a turn's own tree is nothing that a person edits: the path within it says where to mend
        path = self.path.relative_to(here) if self.path.is_relative_to(here) else self.path
        return f"{path}: {'; '.join(self.problems)}. Correct it there."


class Settings(BaseModel):
    """Base of all settings: frozen, and unknown keys are errors rather than silently ignored typos."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def read(cls, path: Path, section: str) -> Self:
        """Read one section of a params file.

        Raises:
            SettingsError: the file is not YAML, or the section does not fit; every problem is named at once.
        """
        values = read_yaml(path)
        if section not in values and any(field.is_required() for field in cls.model_fields.values()):
            raise SettingsError(path, [f"the section '{section}' is missing"])
        return cls.parse(path, section, values.get(section) or {})

    @classmethod
    def parse(cls, path: Path, section: str, values: Any) -> Self:
        """Check values that were already read; `path` and `section` only tell the reader where they stand."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError(path, [_sentence(section, problem) for problem in error.errors()]) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; an empty file is an empty mapping.

    Raises:
        SettingsError: the file is missing, is not YAML, or is not a mapping.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise SettingsError(path, ["the file does not exist"]) from error
    return yaml_mapping(path, content)


def yaml_mapping(path: Path, text: bytes) -> dict[str, Any]:
    """A YAML mapping from its bytes; `path` only says where they stand.

    Raises:
        SettingsError: they are not YAML, or not a mapping.
    """
    import yaml  # only where something is read: what is served reads none

    try:
        content = parse_yaml(text.decode())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(path, ["not readable as YAML: " + " ".join(str(error).split())]) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(path, ["a mapping of sections is expected"])
    return content


def parse_yaml(text: str | bytes) -> Any:
    """What a YAML document says, by libyaml where it is there: ten times as fast, and `gristmill up` reads each second.

    Raises:
        yaml.YAMLError: it is none.
    """
    import yaml

    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe


def _sentence(section: str, problem: Any) -> str:
    key = ".".join([section, *(str(part) for part in problem["loc"])])
    if problem["type"] == "missing":
        return f"{key} is missing"
    if problem["type"] == "secret":  # what must not be repeated
        return f"{key} {problem['msg']}"
    if problem["type"] == "extra_forbidden":
        return f"{key} is not a parameter of this section"
    return f"{key} is {problem['input']!r}: {problem['msg']}"

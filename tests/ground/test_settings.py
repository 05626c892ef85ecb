"""Settings: a wrong value stops with file, key and allowed range, before any work is done."""

from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from gristmill.ground.settings import Settings, SettingsError, read_yaml


class MillSettings(Settings):
    """A small section."""

    stones: int = Field(default=2, ge=1, le=4)
    wheel: str


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return tmp_path / "params.yaml"


def read(params: Path, text: str) -> MillSettings:
    params.write_text(text, "utf-8")
    return MillSettings.read(params, "mill")


def test_values_come_from_the_section_and_defaults_fill_the_rest(params: Path) -> None:
    settings = read(params, "mill: {wheel: oak}\nother: {wheel: 3}\n")
    assert (settings.stones, settings.wheel) == (2, "oak")


def test_settings_are_frozen(params: Path) -> None:
    settings = read(params, "mill: {wheel: oak}\n")
    with pytest.raises(ValidationError):
        settings.stones = 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("mill: {wheel: oak, stones: 5}", r"mill\.stones is 5: .*less than or equal to 4"),
        ("mill: {wheel: oak, stone: 2}", r"mill\.stone is not a parameter of this section"),
        ("mill: {stones: 2}", r"mill\.wheel is missing"),
        ("other: {}", r"the section 'mill' is missing"),
        ("mill: [", r"not readable as YAML"),
        ("- mill", r"a mapping of sections is expected"),
    ],
)
def test_a_wrong_value_is_named_with_its_file_and_key(params: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=rf"params\.yaml: .*{sentence}.*Correct it there"):
        read(params, text)


def test_every_wrong_value_is_named_at_once(params: Path) -> None:
    with pytest.raises(SettingsError) as error:
        read(params, "mill: {stones: 9, stone: 1}")
    assert len(error.value.problems) == 3


def test_a_missing_file_is_named(params: Path) -> None:
    with pytest.raises(SettingsError, match=r"params\.yaml: the file does not exist"):
        MillSettings.read(params, "mill")


def test_an_empty_file_is_an_empty_mapping(params: Path) -> None:
    params.write_text("# nothing yet\n", "utf-8")
    assert read_yaml(params) == {}

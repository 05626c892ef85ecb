"""What a mirror's text means, and which texts are refused."""

import pytest

from gristmill.data.mirrors import parse_mirror


@pytest.mark.parametrize(
    ("text", "scheme", "origin", "target", "inside"),
    [
        ("https://host/a/b.gz", "https", "https://host", "https://host/a/b.gz", ""),
        ("s3://bucket/key/x", "s3", "s3://bucket", "s3://bucket/key/x", ""),
        ("file:///data/x.csv", "file", "file:///data/x.csv", "/data/x.csv", ""),
        ("file:x.csv", "file", "file:x.csv", "x.csv", ""),
        ("/data/x.csv", "file", "/data/x.csv", "/data/x.csv", ""),
        ("apt:some-data/usr/share/x.gz", "apt", "apt:some-data", "some-data", "usr/share/x.gz"),
        ("apt:some-data//usr/share/x.gz", "apt", "apt:some-data", "some-data", "usr/share/x.gz"),
        ("pypi:some_Data==1.0.post1/in/x", "pypi", "pypi:some_Data==1.0.post1", "some_Data==1.0.post1", "in/x"),
    ],
)
def test_the_path_inside_a_package_comes_after_the_first_slash(
    text: str, scheme: str, origin: str, target: str, inside: str
) -> None:
    assert tuple(parse_mirror(text)) == (scheme, origin, target, inside)


@pytest.mark.parametrize(
    "text",
    [
        "apt:--config/x",
        "apt:package",
        "pypi:name/x",
        "pypi:-r==1/x",
        "pypi:a==1 --pre/x",
        "ftp://host/x",
        "https://host",
    ],
)
def test_a_text_that_could_be_an_option_or_lacks_a_part_is_no_mirror(text: str) -> None:
    with pytest.raises(ValueError, match=r"form|scheme|names no file"):
        parse_mirror(text)

"""What a growing source declares is strict: file and key are named, and no secret is repeated."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from gristmill.data.growing.settings import BucketSource, FolderSource, QuerySource
from gristmill.data.licences import LicenceExpiredError, Licensed
from gristmill.data.sources import SourceSettings
from gristmill.ground.settings import SettingsError

FOLDER = {"name": "exports", "folder": "/srv/exports"}
BUCKET = {"name": "partner", "bucket": "s3://partner/daily"}
QUERY = {
    "name": "orders",
    "database": "postgresql+psycopg://reader@db/shop",
    "query": "SELECT * FROM orders WHERE id >= :mark;",
    "mark": "id",
    "start": 0,
}


def read(tmp_path: Path, *growing: Any) -> SourceSettings:
    params = tmp_path / "w.yaml"
    params.write_text(yaml.safe_dump({"source": {"growing": list(growing)}}))
    return SourceSettings.read(params, "source")


def test_the_place_says_what_a_source_is(tmp_path: Path) -> None:
    growing = read(tmp_path, FOLDER, BUCKET, QUERY).growing
    assert [type(source) for source in growing] == [FolderSource, BucketSource, QuerySource]
    [_, _, query] = growing
    assert isinstance(query, QuerySource) and query.reach == 1000 and not query.query.endswith(";")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ({"name": "x"}, r"source\.growing\.0 .*exactly one of the keys folder, bucket and query"),
        ({**FOLDER, "bucket": "s3://b/x"}, "exactly one of the keys"),
        ("exports", r"growing\.0 is 'exports'.*a mapping is expected"),
        ({**FOLDER, "name": "My Exports"}, r"growing\.0\.name"),
        ({"folder": "/srv"}, r"growing\.0\.name is missing"),
        ({**FOLDER, "globb": "*.csv"}, r"growing\.0\.globb is not a parameter"),
        ({**FOLDER, "batch": "row"}, r"growing\.0\.batch"),
        ({**FOLDER, "poll_s": 0}, r"growing\.0\.poll_s"),
        ({**FOLDER, "expires": "soon"}, r"growing\.0\.expires"),
        ({**BUCKET, "bucket": "partner/daily"}, r"growing\.0\.bucket.*a URL is expected: s3://"),
        ({**BUCKET, "endpoint": "minio:9000"}, r"growing\.0\.endpoint.*http://"),
        ({**QUERY, "query": "SELECT * FROM orders WHERE id > :mark"}, r"growing\.0\.query.*none lands twice"),
        ({**QUERY, "query": "SELECT * FROM orders WHERE id >= :mark AND x = :y"}, ":y is no parameter"),
        ({**QUERY, "query": "DELETE FROM orders WHERE id >= :mark"}, "it must be a SELECT"),
        ({**QUERY, "start": "a", "overlap": 1}, "overlap must be 0 where the mark is text"),
        ({**QUERY, "start": None}, r"growing\.0\.start"),
        ({**QUERY, "rows_per_batch": 0}, r"growing\.0\.rows_per_batch"),
        ({**QUERY, "password_env": "a b"}, r"growing\.0\.password_env"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_key(source: Any, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"w\.yaml: .*{complaint}"):
        read(tmp_path, source)


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="two growing sources have the same name"):
        read(tmp_path, FOLDER, {**BUCKET, "name": "exports"})


@pytest.mark.parametrize(
    "source",
    [
        {**QUERY, "database": "postgresql+psycopg://reader:hunter2@db/shop"},
        {**QUERY, "database": "postgresql+psycopg://reader@db/shop?password=hunter2"},
        {**QUERY, "database": "postgresql+psycopg://reader@db/shop?sslpassword=hunter2"},
        {**BUCKET, "bucket": "s3://AKIA:hunter2@partner/daily"},
        {**BUCKET, "bucket": "s3://hunter2@partner/daily"},
        {**BUCKET, "endpoint": "https://key:hunter2@minio"},
    ],
)
def test_a_secret_in_params_is_refused_and_not_repeated(source: Any, tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"source\.growing\.0\.\w+ holds a password, and params are in git"
    ) as raised:
        read(tmp_path, source)
    assert "hunter2" not in str(raised.value)


TODAY = date(2027, 1, 1)


@pytest.mark.parametrize(
    ("n_days", "told"),
    [
        (None, None),
        (31, None),
        (30, "ends in 30 days, on 2027-01-31"),
        (1, "ends in 1 day, on 2027-01-02"),
        (0, "ends today"),
    ],
)
def test_a_right_that_ends_is_warned_about_from_thirty_days_before(n_days: int | None, told: str | None) -> None:
    right = Licensed(expires=None if n_days is None else TODAY + timedelta(days=n_days))
    warning = right.check_right("source", TODAY)
    assert warning == told or (told and warning and told in warning)


def test_after_its_last_day_nothing_may_be_fetched() -> None:
    with pytest.raises(LicenceExpiredError, match=r"ended on 2026-12-31\. Nothing more is fetched"):
        Licensed(expires=TODAY - timedelta(days=1)).check_right("source", TODAY)


def test_every_example_of_the_page_is_a_source() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "sources.md"
    examples = page.read_text("utf-8").split("```yaml\n")[1:]
    sources = [SourceSettings.of(page, example.partition("```")[0].encode()).growing for example in examples]
    assert [[type(source) for source in growing] for growing in sources] == [
        [FolderSource],
        [BucketSource],
        [QuerySource],
    ]

"""Objects of an S3 prefix are taken once, and again when they are replaced; refusals are sentences without keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.buckets import KEYS, client, s3_server, set_of_keys

from gristmill.data.growing.arrivals import Found, SourceUnreachableError
from gristmill.data.growing.bucket import look_into_bucket
from gristmill.data.growing.ledger import Ledger, OvertakenError
from gristmill.data.growing.settings import BucketSource
from gristmill.data.mirrors import quiet


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


class Partner:
    """A bucket, and whoever takes what is new below one of its prefixes."""

    def __init__(self, url: str, work: Path, bucket: str = "s3://partner/daily", **settings: Any) -> None:
        self.url, self.s3, self.work, self.ledger = url, client(url), work, Ledger()
        self.source = BucketSource.model_validate({"name": "partner", "bucket": bucket, "endpoint": url, **settings})

    def put(self, key: str, content: bytes) -> None:
        self.s3.put_object(Bucket="partner", Key=key, Body=content)

    def look(self) -> Found:
        return look_into_bucket(self.source, self.ledger)

    def take(self) -> list[str]:
        """What arrived, in words."""
        found = self.look()
        for arrival in found.arrivals:
            arrival.bring(self.work, quiet)
            self.ledger = Ledger.of(self.ledger.to_file({"partner": arrival.move(self.ledger)}))
        return [arrival.what for arrival in found.arrivals]


@pytest.fixture
def partner(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Partner:
    set_of_keys(monkeypatch, **KEYS)
    requests.post(f"{server}/moto-api/reset", timeout=10)
    made = Partner(server, tmp_path)
    made.s3.create_bucket(Bucket="partner")
    return made


def test_each_new_object_below_the_prefix_is_a_batch_and_is_taken_once(partner: Partner) -> None:
    for key in ("daily/a.csv", "daily/2026/ü b.csv", "daily/2026/", "dailybread.csv", "other/c.csv", "daily/.d.csv"):
        partner.put(key, key.encode())
    told: list[tuple[int, int | None]] = []
    [b, a] = partner.look().arrivals
    [file] = b.bring(partner.work, lambda _part, _doing, done, total: told.append((done, total)))
    size = len("daily/2026/ü b.csv".encode())
    assert (file.name, file.read_bytes(), told[-1]) == ("ü b.csv", "daily/2026/ü b.csv".encode(), (size, size))
    assert partner.take() == [b.what, a.what] == ["2026/ü b.csv", "a.csv"]
    assert partner.take() == []


def test_an_object_that_is_replaced_under_its_key_is_a_new_batch_and_that_is_said(partner: Partner) -> None:
    partner.put("daily/a.csv", b"x\n1\n")
    partner.take()
    etag = partner.ledger.files("partner").files["a.csv"]
    partner.put("daily/a.csv", b"x\n1\n")
    assert partner.take() == []
    partner.put("daily/a.csv", b"x\n2\n")
    assert partner.take() == [f"a.csv, in the place of one with ETag {etag}"]


def test_an_object_that_is_replaced_while_it_is_read_does_not_land(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner.put("daily/a.csv", b"1" * 3_000_000)
    [listed] = partner.look().arrivals
    partner.put("daily/a.csv", b"2" * 3_000_000)
    with pytest.raises(SourceUnreachableError, match=r"a\.csv was replaced while it was read: look again"):
        listed.bring(partner.work, quiet)
    [opened] = partner.look().arrivals

    def replace(*_: Any) -> None:
        partner.put("daily/a.csv", b"3" * 3_000_000)

    with pytest.raises(SourceUnreachableError, match="an object was replaced while it was read: look again"):
        opened.bring(partner.work, replace)


def test_who_comes_second_is_overtaken(partner: Partner) -> None:
    partner.put("daily/a.csv", b"x\n1\n")
    [arrival] = partner.look().arrivals
    partner.take()
    with pytest.raises(OvertakenError):
        arrival.move(partner.ledger)


def test_a_glob_chooses_and_an_empty_object_waits(partner: Partner) -> None:
    partner.source = partner.source.model_copy(update={"glob": "*.csv"})
    for key, content in {"daily/a.csv": b"", "daily/b.json": b"{}", "daily/x/c.csv": b"x\n1\n"}.items():
        partner.put(key, content)
    found = partner.look()
    assert [arrival.what for arrival in found.arrivals] == ["x/c.csv"] and found.waiting == ["a.csv waits: it is empty"]


def test_an_empty_prefix_is_no_fault_and_may_be_the_whole_bucket(partner: Partner) -> None:
    assert partner.look() == Found([], [], [])
    partner.put("a.csv", b"x\n1\n")
    partner.source = partner.source.model_copy(update={"bucket": "s3://partner"})
    assert partner.take() == ["a.csv"]


def test_a_refusal_is_a_sentence_that_says_how_to_mend_it_and_holds_no_key(
    partner: Partner, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(of: Partner) -> str:
        with pytest.raises(SourceUnreachableError) as raised:
            of.look()
        assert not any(value in str(raised.value) for name, value in KEYS.items() if name != "AWS_DEFAULT_REGION")
        return str(raised.value)

    assert "there is no such bucket" in told(Partner(server, partner.work, bucket="s3://nowhere/x"))
    nobody = Partner("http://127.0.0.1:9", partner.work)
    assert told(nobody) == "s3://partner/daily: the server cannot be reached: start it, or correct `endpoint` in params"
    requests.post(f"{server}/moto-api/reset-auth", data="0", timeout=10)  # from now on, keys are checked
    try:
        assert "the server does not know the access key" in told(partner)
        set_of_keys(monkeypatch)
        assert "no keys were found: set AWS_ACCESS_KEY_ID" in told(partner)
    finally:
        requests.post(f"{server}/moto-api/reset-auth", data="inf", timeout=10)

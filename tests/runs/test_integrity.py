"""fsck: every damaged or missing byte is found, named with what it belongs to, and mended where a good one is left."""

import shutil
from pathlib import Path

import pytest
from tests.buckets import client
from tests.cached_turns import damage, model_of, object_of, turned_with_data
from tests.conftest import dvc, git, gristmill
from tests.recorded_turns import W

from gristmill.adapters.objects import object_path
from gristmill.adapters.remotes import RemoteNameError
from gristmill.runs.carrying import push
from gristmill.runs.integrity import Survey, Trouble, check, remotes_to_check, repair
from gristmill.runs.landing import land, landing_md5
from gristmill.runs.pulling import pull
from gristmill.runs.remoting import add_remote
from gristmill.runs.repository import Repository


def survey_of(repository: Repository, remote: str | None = None) -> Survey:
    return check(repository, remotes_to_check(repository, remote))


def only_trouble(repository: Repository, remote: str | None = None) -> Trouble:
    [trouble] = survey_of(repository, remote).troubles
    return trouble


def mend(repository: Repository, remote: str | None = None) -> list[Trouble]:
    """What is left."""
    remotes = remotes_to_check(repository, remote)
    return repair(repository, remotes, check(repository, remotes))[1]


@pytest.fixture
def stored(grown: Repository, tmp_path: Path) -> Repository:
    """With everything in a remote on a folder, too."""
    add_remote(grown, "store", str(tmp_path / "store"))
    push(grown, None)
    return grown


def in_store(repository: Repository, content: bytes) -> Path:
    folder = repository.remotes()[0]["store"].folder
    assert folder is not None
    return folder / object_of(repository, content).relative_to(repository.cache)


# What is found


def test_a_cache_and_a_remote_that_are_whole_are_read_to_the_last_byte(stored: Repository) -> None:
    read: list[int] = []
    survey = check(stored, remotes_to_check(stored, None), read.append)
    assert (survey.troubles, survey.notes) == ([], [])
    files = [
        path for folder in (stored.cache, stored.root.parent.parent / "store") for path in folder.glob("files/md5/??/*")
    ]
    assert survey.n_bytes == sum(read) == sum(path.stat().st_size for path in files)
    done = gristmill(stored.root, "fsck")
    assert done.returncode == 0 and "nothing is amiss" in done.stdout


def test_what_was_written_through_a_hard_link_is_found_and_the_tree_is_told(grown: Repository) -> None:
    pull(grown)
    file = grown.root / "models" / W / "champion" / "model.safetensors"
    damage(file)
    assert object_of(grown, model_of("m3")).read_bytes() == b"other bytes", "the link goes through"
    trouble = only_trouble(grown)
    assert (trouble.what, trouble.remote) == ("damaged", None) and trouble.n_links > 1
    assert any(
        "models/credit-risk/champion/model.safetensors (credit-risk: the present state" in use for use in trouble.uses
    )
    done = gristmill(grown.root, "fsck")
    assert done.returncode == 1 and "`gristmill pull` brings the good ones" in done.stdout


def test_a_landed_file_is_named_with_its_batch_and_versions_and_comes_back_from_its_source(grown: Repository) -> None:
    damage(object_of(grown, b"x\nm1\n"))
    trouble = only_trouble(grown)
    [use] = trouble.uses
    assert f"data/{W}/landing/" in use and use.endswith(
        "m1.csv (credit-risk: the present state, v1.0.0, v1.0.1, v1.0.2)"
    )
    assert f"`gristmill fsck --repair`, then `gristmill land {W} m1.csv`" in trouble.mend
    assert [one.what for one in mend(grown)] == ["damaged"], "no good copy is left"
    assert (grown.state / "lost+found" / trouble.md5).read_bytes() == b"other bytes"
    assert only_trouble(grown).what == "missing"
    landed = land(grown, grown.workload(W), [grown.root.parent / "files" / "m1.csv"])
    assert (landed.is_new, landed.n_restored) == (False, 1)
    assert survey_of(grown).troubles == []


def test_an_output_is_made_again_by_its_versions_turn_or_without_a_version_by_the_next(grown: Repository) -> None:
    turned_with_data(grown, "worse", "REJECT")
    report = object_of(grown, b"reports/credit-risk/report.htmlworse")
    damage(report)
    assert f"`gristmill fsck --repair`, then `gristmill run {W}`" in only_trouble(grown).mend
    report.unlink()
    assert only_trouble(grown).mend.startswith(f"`gristmill run {W}`")
    damage(object_of(grown, model_of("m3")))
    [champion] = [one for one in survey_of(grown).troubles if one.what == "damaged"]
    assert f"git switch --detach {W}@v1.0.2 && dvc checkout --allow-missing && dvc repro package@{W}" in champion.mend


def test_a_missing_list_is_a_folder_that_is_missing(stored: Repository) -> None:
    landing = stored.mill.read(f"data/{W}/landing.dvc")
    assert landing is not None
    md5 = landing_md5(landing)
    object_path(stored.cache, md5).unlink()
    assert (
        survey_of(stored).troubles == []
        and "1 objects are not in the cache but in a remote" in survey_of(stored).notes[0]
    )
    shutil.rmtree(stored.root.parent.parent / "store")
    (stored.root.parent.parent / "store").mkdir()
    trouble = only_trouble(stored)
    assert (trouble.what, trouble.md5) == ("missing", md5)
    assert trouble.uses[0].startswith(f"data/{W}/landing (credit-risk: the present state")
    assert "where another clone has it, `gristmill fsck --repair --remote PATH/.dvc/cache`" in trouble.mend


def test_what_nothing_needs_is_set_aside_and_that_is_all(grown: Repository) -> None:
    stray = object_path(grown.cache, "0" * 32)
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("stray")
    assert "nothing that is kept needs it" in only_trouble(grown).mend
    assert mend(grown) == []
    assert (grown.state / "lost+found" / ("0" * 32)).read_text() == "stray"


# What is mended


def test_each_place_is_mended_from_the_other(stored: Repository) -> None:
    damage(object_of(stored, model_of("m2")))
    damage(object_of(stored, b"x\nm1\n"))
    damage(in_store(stored, model_of("m1")))
    in_store(stored, model_of("m3")).unlink()
    survey = survey_of(stored)
    assert sorted((one.what, one.remote or "") for one in survey.troubles) == [
        ("damaged", ""),
        ("damaged", ""),
        ("damaged", "store"),
        ("missing", "store"),
    ]
    assert {one.mend for one in survey.troubles} == {"`gristmill fsck --repair`"}
    done = gristmill(stored.root, "fsck", "--repair")
    assert done.returncode == 0 and done.stdout.count("mended: ") == 4, done.stdout
    assert survey_of(stored).troubles == []
    assert len(list((stored.state / "lost+found").iterdir())) == 2


def test_an_object_that_is_damaged_in_both_places_stays_in_both_and_is_told(stored: Repository) -> None:
    damage(object_of(stored, model_of("m2")))
    damage(in_store(stored, model_of("m2")), b"other bytes again")
    left = mend(stored)
    assert [(one.what, one.remote) for one in left] == [("damaged", None), ("damaged", "store")]
    assert "dvc repro package@credit-risk" in left[0].mend
    assert in_store(stored, model_of("m2")).read_bytes() == b"other bytes again"


def test_another_clones_cache_mends_this_one_and_is_not_judged(grown: Repository, tmp_path: Path) -> None:
    shutil.copytree(grown.cache, tmp_path / "other")
    damage(tmp_path / "other" / object_of(grown, model_of("m1")).relative_to(grown.cache))
    damage(object_of(grown, model_of("m2")))
    assert mend(grown, str(tmp_path / "other")) == []
    assert survey_of(grown).troubles == []
    with pytest.raises(RemoteNameError, match="gristmill remote add"):
        remotes_to_check(grown, str(tmp_path / "nowhere"))


def test_a_remote_that_is_not_verified_is_amiss_and_set_right(stored: Repository) -> None:
    dvc(stored.root, "remote", "modify", "store", "verify", "false")
    assert only_trouble(stored).what == "unverified"
    assert mend(stored) == []
    assert dvc(stored.root, "config", "remote.store.verify").strip() == "true"


def test_one_remote_that_is_down_does_not_keep_the_rest_from_being_checked(stored: Repository, s3: str) -> None:
    add_remote(stored, "bucket", "s3://store/mill", "http://127.0.0.1:9")
    damage(object_of(stored, model_of("m2")))
    done = gristmill(stored.root, "fsck")
    assert done.returncode == 1
    assert "the remote 'bucket' could not be checked" in done.stdout and "is damaged" in done.stdout


def test_on_s3_damage_is_found_and_mended(grown: Repository, s3: str) -> None:
    add_remote(grown, "bucket", "s3://store/mill", s3)
    push(grown, None)
    key = f"mill/{object_of(grown, model_of('m2')).relative_to(grown.cache)}"
    client(s3).put_object(Bucket="store", Key=key, Body=b"x" * 1000)
    trouble = only_trouble(grown)
    assert (trouble.what, trouble.remote) == ("damaged", "bucket")
    assert mend(grown) == []
    assert client(s3).get_object(Bucket="store", Key=key)["Body"].read() == model_of("m2")
    assert git(grown.root, "status", "--porcelain") == "M .dvc/config"

"""Remotes: verified, without secrets, and with all that another clone needs; a damaged object goes neither in nor out."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.buckets import client
from tests.cached_turns import damage, model_of, object_of
from tests.conftest import commit_all, dvc, git, gristmill
from tests.recorded_turns import W

from gristmill.adapters.dvc import CacheMissError
from gristmill.adapters.git import PushRefusedError
from gristmill.adapters.objects import DamagedObjectError, cached_objects, file_chunks, is_object, object_path
from gristmill.adapters.remotes import RemoteFaultError, RemoteNameError, RemoteUrlError, UnverifiedRemoteError
from gristmill.registry.promotion import promote
from gristmill.runs.carrying import bring_version, push
from gristmill.runs.needed import needed
from gristmill.runs.pulling import pull
from gristmill.runs.remoting import add_remote
from gristmill.runs.repository import Repository


@pytest.fixture
def stored(grown: Repository, tmp_path: Path) -> Repository:
    """With a remote on a folder, committed, and everything pushed to it and to a bare origin."""
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "origin.git")
    git(grown.root, "remote", "add", "origin", str(tmp_path / "origin.git"))
    add_remote(grown, "store", str(tmp_path / "store"))
    commit_all(grown.root, "add a remote")
    git(grown.root, "push", "-q", "origin", "main")
    push(grown, None)
    return grown


def clone_without_cache(repository: Repository) -> Repository:
    git(repository.root.parent, "clone", "-q", git(repository.root, "remote", "get-url", "origin"), "clone")
    return Repository(repository.root.parent / "clone")


def remote_object(repository: Repository, content: bytes) -> Path:
    folder = repository.remotes()[0]["store"].folder
    assert folder is not None
    return folder / object_of(repository, content).relative_to(repository.cache)


# Setting one up


def test_a_remote_is_verified_and_stands_in_the_tree_and_on_mill(grown: Repository, tmp_path: Path) -> None:
    done = gristmill(grown.root, "remote", "add", "store", str(tmp_path / "store"))
    assert done.returncode == 0 and "git add .dvc/config" in done.stdout and "gristmill push store" in done.stdout
    assert dvc(grown.root, "config", "remote.store.url").strip() == str(tmp_path / "store")
    assert dvc(grown.root, "config", "remote.store.verify").strip() == "true"
    assert dvc(grown.root, "config", "core.remote").strip() == "store"
    assert dvc(grown.root, "config", "core.analytics").strip() == "false", "what was there stays"
    on_mill = (grown.mill.read(".dvc/config") or b"").decode()
    assert str(tmp_path / "store") in on_mill and "verify = true" in on_mill
    tip = grown.mill.tip()
    assert gristmill(grown.root, "remote", "add", "store", str(tmp_path / "store")).returncode == 0
    assert grown.mill.tip() == tip, "told again, it changes nothing"


@pytest.mark.parametrize(
    ("name", "url", "endpoint", "sentence"),
    [
        ("s", "s3://AKIA:secret@store/x", None, "would be committed for all to read"),
        ("s", "s3://store/x?X-Amz-Security-Token=secret", None, "would be committed for all to read"),
        ("s", "s3://store/x", "https://u:secret@minio.example.org", "would be committed for all to read"),
        ("s", "s3://store/x", "minio:9000", "--endpoint is 'minio:9000'"),
        ("s", "gs://store/x", None, "a folder, or s3://BUCKET/PREFIX"),
        ("s", "s3://", None, "a folder, or s3://BUCKET/PREFIX"),
        ('a"]', "s3://store/x", None, "cannot name a remote"),
    ],
)
def test_an_address_that_cannot_be_is_refused_and_nothing_is_written(
    grown: Repository, name: str, url: str, endpoint: str | None, sentence: str
) -> None:
    before, tip = (grown.root / ".dvc" / "config").read_bytes(), grown.mill.tip()
    with pytest.raises((RemoteUrlError, RemoteNameError)) as refused:
        add_remote(grown, name, url, endpoint)
    assert sentence in str(refused.value) and "secret@" not in str(refused.value)
    assert "Token=" not in str(refused.value)
    assert ((grown.root / ".dvc" / "config").read_bytes(), grown.mill.tip()) == (before, tip)


def test_the_name_of_another_remote_is_taken(stored: Repository, tmp_path: Path) -> None:
    with pytest.raises(RemoteNameError, match="is there already"):
        add_remote(stored, "store", str(tmp_path / "other"))


# Push, and what another clone then has


def test_another_clone_has_all_of_it_from_the_remote(stored: Repository) -> None:
    clone = clone_without_cache(stored)
    assert f"{W}: data, models and reports of its last run" in pull(clone)
    assert (clone.root / "models" / W / "champion" / "model.safetensors").read_bytes() == model_of("m3")
    assert len(list((clone.root / "data" / W / "landing").rglob("*.csv"))) == 3
    assert not object_of(clone, model_of("m2")).exists(), "an old version is not needed for work"
    bring_version(clone, promote(clone.mill, W, "v1.0.1", "a test", "Ada"))
    assert object_of(clone, model_of("m2")).read_bytes() == model_of("m2")
    pull(clone, everything=True)
    assert {output.md5 for output in needed(stored)} <= set(cached_objects(clone.cache))
    assert all(is_object(md5, file_chunks(path)) for md5, path in cached_objects(clone.cache).items())


def test_dvc_alone_gets_the_champion_from_outside(stored: Repository, tmp_path: Path) -> None:
    origin = "file://" + git(stored.root, "remote", "get-url", "origin")
    dvc(tmp_path, "get", origin, f"models/{W}/champion", "--rev", "mill", "-o", str(tmp_path / "got"))
    assert (tmp_path / "got" / "model.safetensors").read_bytes() == model_of("m3")


def test_a_second_push_brings_only_what_is_new_and_a_cut_object_again(stored: Repository) -> None:
    assert push(stored, "store").n_objects == 0
    damage(remote_object(stored, model_of("m1")), b"cut")
    assert push(stored, "store").n_objects == 1
    assert remote_object(stored, model_of("m1")).read_bytes() == model_of("m1")


def test_an_origin_that_is_ahead_refuses_and_is_not_forced(stored: Repository) -> None:
    clone = clone_without_cache(stored)
    add_remote(clone, "other", str(clone.root.parent / "other"))
    git(clone.root, "push", "-q", "origin", "mill")
    add_remote(stored, "third", str(clone.root.parent / "third"))
    with pytest.raises(PushRefusedError, match="git fetch"):
        push(stored, "store")


def test_without_origin_it_is_said_that_the_branch_is_here_alone(grown: Repository, tmp_path: Path) -> None:
    add_remote(grown, "store", str(tmp_path / "store"))
    done = gristmill(grown.root, "push")
    assert done.returncode == 0 and "git has no remote 'origin'" in done.stdout


# Damage stays where it is


def test_a_damaged_object_of_the_cache_is_not_pushed(grown: Repository, tmp_path: Path) -> None:
    add_remote(grown, "store", str(tmp_path / "store"))
    bad = object_of(grown, model_of("m2"))
    damage(bad, b"x" * len(model_of("m2")))
    with pytest.raises(DamagedObjectError, match=r"damaged in the cache.*gristmill fsck"):
        push(grown, "store")
    assert bad.exists(), "it may be the only copy"
    there = grown.remotes()[0]["store"].objects()
    assert f"{bad.parent.name}{bad.name}" not in there
    assert not [md5 for md5 in there if md5.endswith(".dir")], "no folder looks whole"


def test_a_damaged_object_of_a_remote_is_not_pulled(stored: Repository) -> None:
    damage(remote_object(stored, model_of("m3")))
    clone = clone_without_cache(stored)
    with pytest.raises(DamagedObjectError, match="damaged in the remote 'store'"):
        pull(clone)
    assert not object_of(clone, model_of("m3")).exists()


def test_a_remote_that_is_not_verified_is_refused(stored: Repository) -> None:
    clone = clone_without_cache(stored)
    for repository in (stored, clone):
        dvc(repository.root, "remote", "modify", "store", "verify", "false")
    with pytest.raises(UnverifiedRemoteError, match="dvc remote modify store verify true"):
        push(stored, "store")
    with pytest.raises(UnverifiedRemoteError):
        pull(clone)


def test_what_no_remote_has_is_told_as_before(stored: Repository) -> None:
    remote_object(stored, model_of("m3")).unlink()
    with pytest.raises(CacheMissError, match=r"`dvc cache dir --local PATH`"):
        pull(clone_without_cache(stored))


# A remote that does not answer


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("kind", ["closed", "silent", "unmounted"])
def test_a_remote_that_is_down_is_told_and_not_waited_for(
    grown: Repository, s3: str, silent: str, tmp_path: Path, kind: str
) -> None:
    if kind == "unmounted":
        add_remote(grown, "store", str(tmp_path / "store"))
        (tmp_path / "store").rmdir()
    else:
        add_remote(grown, "store", "s3://store/x", silent if kind == "silent" else "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(RemoteFaultError, match=r"the remote 'store' .* cannot be reached or refuses"):
        push(grown, "store")
    assert time.monotonic() - began < 90, "of its own accord botocore asks for minutes"
    assert not (tmp_path / "store").exists(), "the place of a disk that is not mounted is not written to"


def test_no_remote_and_an_unknown_one_are_named(grown: Repository, tmp_path: Path) -> None:
    with pytest.raises(RemoteNameError, match="gristmill remote add NAME"):
        push(grown, None)
    add_remote(grown, "store", str(tmp_path / "store"))
    with pytest.raises(RemoteNameError, match=r"there is no remote 'stor'\. There are: store"):
        push(grown, "stor")


# S3


def test_on_s3_it_is_the_same(grown: Repository, s3: str) -> None:
    add_remote(grown, "bucket", "s3://store/mill", s3)
    pushed = push(grown, None)
    assert pushed.n_objects == len(grown.remotes()[0]["bucket"].objects())
    assert "the-secret-key" not in (grown.root / ".dvc" / "config").read_text()
    commit_all(grown.root, "add a remote")
    git(grown.root.parent, "clone", "-q", str(grown.root), "clone")
    clone = Repository(grown.root.parent / "clone")
    pull(clone, everything=True)
    assert object_of(clone, model_of("m1")).read_bytes() == model_of("m1")

    s3_client = client(s3)
    key = f"mill/files/md5/{object_of(grown, model_of('m1')).relative_to(grown.cache / 'files' / 'md5')}"
    s3_client.put_object(Bucket="store", Key=key, Body=b"x" * 1000)
    object_path(clone.cache, "".join(key.split("/")[-2:])).unlink()
    with pytest.raises(DamagedObjectError):
        pull(clone, everything=True)
    with pytest.raises(RemoteFaultError, match="bucket does not exist"):
        add_remote(grown, "none", "s3://nowhere/x", s3)
        push(grown, "none")

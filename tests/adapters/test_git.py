"""git as the registry's storage: the same objects whatever a person has set, and nobody's tree or index touched."""

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conftest import commit_all, git

from gristmill.adapters.git import (
    NO_COMMIT,
    Git,
    GitError,
    NoCommitError,
    NoRepositoryError,
    RefLockedError,
    RefMovedError,
)
from gristmill.registry.mill import BRANCH, Change, Mill

TAG = "refs/tags/w@v1.0.0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with one commit, in a folder whose name needs quoting."""
    folder = tmp_path / "the mill, été"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "code.py").write_text("x = 1\n")
    git(folder, "init", "-q", "-b", "main")
    commit_all(folder, "code")
    return folder


@pytest.fixture
def repo(folder: Path) -> Git:
    return Git(folder)


def commit(repo: Git, content: bytes, parents: tuple[str, ...] = ()) -> str:
    return repo.commit(repo.tree_with(None, {"a": content}), parents, "a change")


# Opening


def test_a_repository_is_found_from_a_folder_in_it(folder: Path) -> None:
    repo = Git(folder / "sub")
    assert (repo.root, repo.here) == (folder, folder)


def test_a_linked_working_tree_has_its_own_head_and_shares_the_root(folder: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(folder, "worktree", "add", "-q", "-b", "feature", str(linked))
    (linked / "new.py").touch()
    feature = commit_all(linked, "a feature")
    (linked / "new.py").write_text("edited")
    repo = Git(linked)
    assert (repo.root, repo.here) == (folder, linked)
    assert repo.commit_of("HEAD") == feature != Git(folder).commit_of("HEAD")
    assert repo.is_dirty() and not Git(folder).is_dirty()


def test_restoring_writes_into_the_tree_where_the_person_stands(folder: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(folder, "worktree", "add", "-q", "--detach", str(linked))
    for tree in (folder, linked):
        (tree / "sub" / "code.py").write_text("edited")
    Git(linked).restore("HEAD", ["sub/code.py"])
    assert (linked / "sub" / "code.py").read_text() == "x = 1\n"
    assert (folder / "sub" / "code.py").read_text() == "edited"


def test_a_git_directory_kept_elsewhere_is_no_obstacle(folder: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--separate-git-dir", str(tmp_path / "elsewhere.git"), str(folder), str(clone))
    assert Git(clone / "sub").root == clone


def test_a_folder_in_no_repository_is_one_sentence(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(NoRepositoryError, match="is not inside a git repository"):
            Git(folder)


def test_a_repository_without_a_commit_says_how_to_make_one(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    with pytest.raises(NoCommitError, match="has no commit yet"):
        Git(tmp_path).commit_of("HEAD")


# A person's settings and environment


def test_settings_of_a_person_change_no_object(repo: Git, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.delenv(name, raising=False)
    tree = repo.tree_with(None, {"a": b"line\r\n"})
    settings = {
        "commit.gpgSign": "true",
        "user.signingKey": "nobody",
        "core.hooksPath": str(tmp_path),
        "core.autocrlf": "true",
        "i18n.commitEncoding": "ISO-8859-1",
        "i18n.logOutputEncoding": "ISO-8859-1",
        "user.useConfigOnly": "true",
        "color.ui": "always",
    }
    for key, value in settings.items():
        git(repo.root, "config", key, value)
    assert repo.tree_with(None, {"a": b"line\r\n"}) == tree
    made = repo.commit(tree, [], "été")
    assert repo.log(made, "%an %ae %s") == ["Gristmill mill@gristmill.invalid été"]
    assert (
        b"encoding"
        not in subprocess.run(
            ["git", "cat-file", "commit", made], cwd=repo.root, capture_output=True, check=True
        ).stdout.split(b"\n\n")[0]
    )


def test_a_worktree_is_whole_also_where_the_person_has_a_sparse_checkout(repo: Git, tmp_path: Path) -> None:
    git(repo.root, "sparse-checkout", "set", "elsewhere")
    repo.add_worktree(tmp_path / "tree", "main")
    assert (tmp_path / "tree" / "sub" / "code.py").is_file()


def test_line_endings_of_a_worktree_are_those_of_the_commit(repo: Git, tmp_path: Path) -> None:
    (tmp_path / "attributes").write_text("* text eol=crlf\n")
    git(repo.root, "config", "core.attributesFile", str(tmp_path / "attributes"))
    repo.add_worktree(tmp_path / "tree", "main")
    assert (tmp_path / "tree" / "sub" / "code.py").read_bytes() == b"x = 1\n"


def test_a_hooks_environment_does_not_lead_astray(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    repo = Git(folder)
    assert repo.root == folder
    assert repo.read("main", "sub/code.py") == b"x = 1\n"
    repo.tree_with("main", {"a": b"1"})
    assert not (other / ".git" / "index").exists()


# Objects


def test_a_tree_is_another_with_files_written_and_removed(repo: Git) -> None:
    tree = repo.tree_with("main", {"é\tx": b"1", "sub/code.py": None})
    assert [entry.path for entry in repo.entries(tree)] == ["é\tx"]
    assert repo.read(tree, "é\tx") == b"1"


def test_what_is_absent_is_none(repo: Git) -> None:
    assert repo.read("main", "sub/other.py") is None
    assert repo.find("refs/heads/nothing") is None


def test_what_cannot_be_read_is_not_taken_for_absent(repo: Git) -> None:
    sha = repo.store(b"a pointer to everything that has landed")
    tree = repo.tree_with(None, {"data/w/landing.dvc": b"a pointer to everything that has landed"})
    damaged = repo.directory / "objects" / sha[:2] / sha[2:]
    damaged.chmod(0o644)
    damaged.write_bytes(b"garbage")
    with pytest.raises(GitError, match=r"data/w/landing\.dvc"):
        repo.read(tree, "data/w/landing.dvc")


def test_writing_touches_neither_index_nor_working_tree(repo: Git) -> None:
    index = (repo.directory / "index").read_bytes()
    repo.move([(BRANCH, commit(repo, b"1"), NO_COMMIT)])
    assert (repo.directory / "index").read_bytes() == index
    assert repo.edits() == ""


# Moving refs


def test_refs_move_all_or_none(repo: Git) -> None:
    first, second = commit(repo, b"1"), commit(repo, b"2")
    repo.move([(BRANCH, first, NO_COMMIT)])
    with pytest.raises(RefMovedError):
        repo.move([(TAG, second, NO_COMMIT), (BRANCH, second, NO_COMMIT)])
    assert repo.find(BRANCH) == first
    assert repo.find(TAG) is None


def test_of_many_who_move_a_ref_from_one_value_one_wins(repo: Git) -> None:
    candidates = [commit(repo, bytes([n])) for n in range(6)]
    won = []

    def move(new: str) -> None:
        try:
            Git(repo.root).move([(BRANCH, new, NO_COMMIT)])
        except RefMovedError:
            return
        won.append(new)

    threads = [threading.Thread(target=move, args=(new,)) for new in candidates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [repo.find(BRANCH)]


def test_a_lock_that_a_killed_git_left_is_named(repo: Git) -> None:
    (repo.directory / "refs" / "heads" / "mill.lock").touch()
    with pytest.raises(RefLockedError, match=r"mill\.lock.*remove the lock file"):
        repo.move([(BRANCH, commit(repo, b"1"), NO_COMMIT)])


def test_a_change_waits_for_whoever_is_moving_the_branch(repo: Git) -> None:
    mill = Mill(repo)
    mill.begin()
    lock = repo.directory / "refs" / "heads" / "mill.lock"
    lock.touch()
    threading.Timer(1.0, lock.unlink).start()
    assert mill.commit(lambda _: [Change("a change", {"a": b"1"})]) == mill.tip()


def test_four_who_open_a_fresh_clone_at_once_find_the_same_tip(repo: Git, tmp_path: Path) -> None:
    tip = Mill(repo).begin()
    git(tmp_path, "clone", "-q", str(repo.root), str(tmp_path / "clone"))
    found: list[str | None] = []
    threads = [threading.Thread(target=lambda: found.append(Mill(Git(tmp_path / "clone")).tip())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tip] * 4


# Worktrees


def test_a_worktree_goes_with_what_git_remembers_of_it(repo: Git, tmp_path: Path) -> None:
    repo.add_worktree(tmp_path / "tree", "main")
    (tmp_path / "tree" / "left").touch()
    repo.remove_worktree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
    assert len(git(repo.root, "worktree", "list").splitlines()) == 1


def test_who_has_a_branch_checked_out_is_known(repo: Git, tmp_path: Path) -> None:
    git(repo.root, "worktree", "add", "-q", "-b", "mill", str(tmp_path / "a tree"))
    assert repo.worktrees_of(BRANCH) == [tmp_path / "a tree"]
    assert repo.worktrees_of("refs/heads/other") == []


# Many files at once


def test_the_bytes_of_many_files_come_with_their_paths_whatever_they_hold(repo: Git, folder: Path) -> None:
    contents = {"sub/a b.bin": bytes(range(256)) * 3, "sub/empty": b"", "sub/été.txt": b"no end of line", "b": b"\n\n"}
    for path, content in contents.items():
        (folder / path).write_bytes(content)
    commit_all(folder, "files")
    assert repo.contents("HEAD") == {**contents, "sub/code.py": b"x = 1\n"}
    assert repo.contents("HEAD", "sub/empty", "nowhere") == {"sub/empty": b""}
    assert repo.contents("HEAD", "nowhere") == {}


def test_visible_files_are_those_that_are_tracked_or_could_be(repo: Git, folder: Path) -> None:
    (folder / ".gitignore").write_text("*.pyc\n")
    (folder / "sub" / "code.pyc").touch()
    (folder / "sub" / "née.py").touch()
    assert repo.visible_files("sub") == ["sub/code.py", "sub/née.py"]
    (folder / "sub" / "code.py").unlink()
    assert repo.visible_files("sub", "nowhere") == ["sub/née.py"]


def test_trees_come_go_and_are_listed_at_once(folder: Path) -> None:
    head = Git(folder).commit_of("HEAD")

    def come_and_go(worker: int) -> None:
        mine = Git(folder)
        for turn in range(10):
            path = folder / "trees" / f"{worker}-{turn}"
            mine.add_worktree(path, head)
            assert path.resolve() in mine.worktrees()
            mine.remove_worktree(path)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(come_and_go, range(4))) == [None] * 4
    assert len(Git(folder).worktrees()) == 1

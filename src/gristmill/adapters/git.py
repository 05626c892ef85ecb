"""git, by its command line: the registry's storage, and the only module that runs it.

Every call is deaf to a person's git settings (signing, hooks, identity, line endings), for the mill must write the same
objects on every machine; and none touches a person's index or working tree.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gristmill.ground.errors import GristmillError
from gristmill.ground.locks import locked, shared

NO_COMMIT = "0" * 40
_HEX = frozenset("0123456789abcdef")
_SUBMODULE = "160000"
_REMEMBERED = 256
"""Files of commits that are kept in memory: whoever watches the branch asks for the same ones each second."""
_SETTINGS = {
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "tag.forceSignAnnotated": "false",
    "core.hooksPath": os.devnull,
    "core.autocrlf": "false",
    "core.eol": "lf",
    "core.attributesFile": os.devnull,
    "core.sparseCheckout": "false",
    "core.quotePath": "false",
    "core.fsmonitor": "false",
    "i18n.commitEncoding": "UTF-8",
    "i18n.logOutputEncoding": "UTF-8",
    "log.showSignature": "false",
    "submodule.recurse": "false",
    "user.name": "Gristmill",
    "user.email": "mill@gristmill.invalid",
    "gc.auto": "0",
}


class GitError(GristmillError):
    """git refused; its own words follow."""

    def __str__(self) -> str:
        command, message = self.args
        return f"`git {command}` failed: {message}"


class NoRepositoryError(GristmillError):
    """The folder is not inside a git repository."""

    def __str__(self) -> str:
        return (
            f"{self.args[0]} is not inside a git repository. Clone Gristmill, or type `git init` and commit it first."
        )


class ForeignRepositoryError(GristmillError):
    """git refuses to work in a repository that another user owns."""

    def __str__(self) -> str:
        return (
            f"{self.args[0]} belongs to another user, and git will not work there. Work as its owner, or trust it: "
            f"`git config --global --add safe.directory {self.args[0]}`."
        )


class NoGitError(GristmillError):
    """git is not installed."""

    def __str__(self) -> str:
        return "git is not installed, or not on PATH: `apt install git`."


class NoCommitError(GristmillError):
    """A revision that does not name a commit."""

    def __str__(self) -> str:
        rev = self.args[0]
        if rev == "HEAD":
            return "the repository has no commit yet. Commit the code first: `git add -A && git commit`."
        return (
            f"there is no commit '{rev}'. `git log --oneline` and `gristmill versions <workload>` list what there is."
        )


class RefMovedError(GristmillError):
    """A ref no longer has the value that the change was built on: somebody was faster."""

    def __str__(self) -> str:
        return f"the repository's refs moved meanwhile: {self.args[0]}"


class RefLockedError(RefMovedError):
    """Somebody is moving a ref just now, or was killed while doing so."""

    def __str__(self) -> str:
        return (
            f"git could not lock the repository's refs: {self.args[0]} "
            "Where no git process is at work, one was killed: remove the lock file that is named, then try again."
        )


class PushRefusedError(GristmillError):
    """A remote of git did not take what was pushed."""

    def __str__(self) -> str:
        remote, words = self.args
        return (
            f"git's remote '{remote}' did not take the branch 'mill' and the version tags: {words} "
            "Where it has commits that this clone lacks, `git fetch` shows them: `git log mill..origin/mill`."
        )


@dataclass(frozen=True)
class TreeEntry:
    """One file of a tree."""

    mode: str
    sha: str
    path: str


class Git:
    """One repository. `root` is its main working tree; `here` the one it was opened from, whose HEAD and edits count."""

    def __init__(self, folder: Path) -> None:
        """Open the repository that holds `folder`.

        Raises:
            NoRepositoryError: there is none.
        """
        self.root = self.here = folder
        self._read_commit = lru_cache(_REMEMBERED)(self._read)
        try:
            common = self._run("rev-parse", "--path-format=absolute", "--git-common-dir").strip()
        except GitError as error:
            if "dubious ownership" in str(error):
                raise ForeignRepositoryError(folder) from error
            raise NoRepositoryError(folder) from error
        except (FileNotFoundError, NotADirectoryError) as error:
            if folder.is_dir():
                raise NoGitError from error
            raise NoRepositoryError(folder) from error
        self.directory = Path(common)
        try:
            self.here = Path(self._run("rev-parse", "--show-toplevel").strip())
        except GitError:  # inside .git, or in a bare repository
            self.here = folder
        self.root = self.directory.parent if self.directory.name == ".git" else self.here
        self._trees_lock = self.directory / "gristmill-worktrees.lock"

    def actor(self) -> str:
        """Who is at work, as git knows them, else the login name."""
        try:
            name = self._run("config", "--get", "user.name", personal=True).strip()
        except GitError:
            name = ""
        return name or os.environ.get("USER") or os.environ.get("LOGNAME") or "unknown"

    def commit_of(self, rev: str) -> str:
        """The full hash of a commit.

        Raises:
            NoCommitError: the revision names none.
        """
        try:
            args = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
            return self._run(*args, folder=self.here).strip()
        except GitError as error:
            raise NoCommitError(rev) from error

    def find(self, ref: str) -> str | None:
        """The object that a full ref name points at, or None."""
        done = self._process("rev-parse", "--verify", "--quiet", "--end-of-options", ref)
        if done.returncode not in (0, 1):
            raise GitError(f"rev-parse {ref}", _words(done))
        return done.stdout.decode().strip() or None

    def edits(self) -> str:
        """What `git status` says of the working tree; empty where it is clean."""
        return self._run("status", "--porcelain", "--ignore-submodules", folder=self.here)

    def is_dirty(self) -> bool:
        """Whether the working tree holds edits to tracked files."""
        args = ("status", "--porcelain", "--untracked-files=no", "--ignore-submodules")
        return bool(self._run(*args, folder=self.here).strip())

    def worktrees(self) -> list[Path]:
        """Every working tree of the repository, the main one first."""
        return [tree for tree, _ in self._worktrees()]

    def worktrees_of(self, branch: str) -> list[Path]:
        """Working trees that have the branch checked out."""
        return [tree for tree, checked_out in self._worktrees() if checked_out == branch]

    def _worktrees(self) -> list[tuple[Path, str]]:
        with shared(self._trees_lock):
            listing = self._run("worktree", "list", "--porcelain")
        trees = []
        for entry in listing.split("\n\n"):
            facts = dict(line.partition(" ")[::2] for line in entry.splitlines())
            if "worktree" in facts:
                trees.append((Path(facts["worktree"]), facts.get("branch", "")))
        return trees

    def read(self, rev: str, path: str) -> bytes | None:
        """A file's bytes at a revision, or None where it does not exist.

        Raises:
            GitError: it exists and cannot be read. Taken for absent, it would be written anew, and what it held be lost.
        """
        is_fixed = len(rev) == len(NO_COMMIT) and set(rev) <= _HEX  # a whole hash always names the same bytes
        return self._read_commit(rev, path) if is_fixed else self._read(rev, path)

    def _read(self, rev: str, path: str) -> bytes | None:
        done = self._process("cat-file", "blob", f"{rev}:{path}")
        if done.returncode == 0:
            return done.stdout
        if self._run("ls-tree", "--full-tree", rev, "--", path):
            raise GitError(f"cat-file {path}", _words(done))
        return None

    def entries(self, rev: str, *paths: str) -> list[TreeEntry]:
        """Every file of a revision, below the given paths if any."""
        listing = self._run("ls-tree", "-r", "-z", "--full-tree", rev, "--", *paths)
        entries = []
        for line in listing.split("\0"):
            if line:
                meta, path = line.split("\t", 1)
                mode, _, sha = meta.split()
                entries.append(TreeEntry(mode, sha, path))
        return entries

    def contents(self, rev: str, *paths: str) -> dict[str, bytes]:
        """The bytes of every file of a revision below the given paths."""
        entries = [entry for entry in self.entries(rev, *paths) if entry.mode != _SUBMODULE]
        return dict(zip((entry.path for entry in entries), self._blobs(entries), strict=True))

    def _blobs(self, entries: Iterable[TreeEntry]) -> list[bytes]:
        told = self._process("cat-file", "--batch", stdin="".join(f"{entry.sha}\n" for entry in entries).encode())
        if told.returncode != 0:
            raise GitError("cat-file --batch", _words(told))
        contents, rest = [], memoryview(told.stdout)
        while rest:  # "<sha> blob <size>", the bytes, and an end of line
            head, _, _ = bytes(rest[:200]).partition(b"\n")
            start, size = len(head) + 1, int(head.split()[2])
            contents.append(bytes(rest[start : start + size]))
            rest = rest[start + size + 1 :]
        return contents

    def every_state(self, revs: Iterable[str], *patterns: str) -> list[tuple[str, bytes]]:
        """Each different content that files of these patterns ever had in the history of revisions, with its path.

        Args:
            revs: revisions, or git's own words for many (`--branches`, `--exclude=...` before it).
            patterns: git's globs, from the root; `*` does not cross a `/`, and `**/` does.
        """
        globs = [f":(glob){pattern}" for pattern in patterns]
        words = ("--format=", "--raw", "--no-abbrev", "--no-renames", "--full-history", "-m", "-z")
        told = iter(self._run("log", *words, *revs, "--", *globs).split("\0"))
        found = {}
        for word in told:
            if word.lstrip("\n").startswith(":"):
                _, mode, _, sha, _ = word.lstrip("\n").split(" ")
                path = next(told)
                if sha != NO_COMMIT and mode != _SUBMODULE:
                    found[path, sha] = TreeEntry(mode, sha, path)
        return list(zip((path for path, _ in found), self._blobs(found.values()), strict=True))

    def visible_files(self, *paths: str) -> list[str]:
        """Files of the working tree below the given paths that are tracked, or could be: what git ignores is left out."""
        args = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths)
        listed = set(self._run(*args, folder=self.here).split("\0")) - {""}
        return sorted(path for path in listed if (self.here / path).is_file())

    def store(self, content: bytes) -> str:
        """Write a blob and return its hash."""
        return self._run("hash-object", "-w", "--stdin", stdin=content).strip()

    def tree_with(
        self, base: str | None, contents: Mapping[str, bytes | None], entries: Iterable[TreeEntry] = ()
    ) -> str:
        """The tree of `base` (None: empty) with files written, or removed where the content is None."""
        lines = [f"{e.mode} {e.sha}\t{e.path}" for e in entries]
        for path, content in contents.items():
            lines.append(f"0 {NO_COMMIT}\t{path}" if content is None else f"100644 {self.store(content)}\t{path}")
        with tempfile.TemporaryDirectory(prefix="gristmill-index-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._run("read-tree", *([base] if base else ["--empty"]), env=index)
            if lines:  # git refuses empty input
                self._run("update-index", "-z", "--index-info", stdin="\0".join([*lines, ""]).encode(), env=index)
            return self._run("write-tree", env=index).strip()

    def commit(self, tree: str, parents: Iterable[str], message: str) -> str:
        """Make a commit object; nothing points at it yet."""
        parent_args = [arg for parent in parents for arg in ("-p", parent)]
        return self._run("commit-tree", tree, *parent_args, "-F", "-", stdin=message.encode()).strip()

    def tag_object(self, commit: str, name: str, message: str, date: str) -> str:
        """Make an annotated tag object; `date` is git's raw form, seconds and zone."""
        text = (
            f"object {commit}\ntype commit\ntag {name}\ntagger Gristmill <mill@gristmill.invalid> {date}\n\n{message}\n"
        )
        return self._run("mktag", stdin=text.encode()).strip()

    def move(self, refs: Iterable[tuple[str, str, str]]) -> None:
        """Move refs (name, new, old), all or none; `old` of 40 zeros means that it must not exist yet.

        Raises:
            RefMovedError: one of them no longer had its old value.
            RefLockedError: one of them is being moved.
        """
        lines = ["start", *(f"update {name} {new} {old}" for name, new, old in refs), "prepare", "commit", ""]
        done = self._process("update-ref", "--stdin", stdin="\n".join(lines).encode())
        if done.returncode != 0:
            words = _words(done)
            raise RefLockedError(words) if "Unable to create" in words else RefMovedError(words)

    def has_remote(self, name: str) -> bool:
        """Whether a remote of that name is configured."""
        return name in self._run("remote").splitlines()

    def push(self, remote: str, refs: Mapping[str, str]) -> None:
        """Set refs of a remote to these objects, all or none, and never by force.

        Raises:
            PushRefusedError: one of them is elsewhere already, or the remote cannot be reached.
        """
        done = self._process("push", "--quiet", "--atomic", remote, *(f"{new}:{ref}" for ref, new in refs.items()))
        if done.returncode != 0:
            raise PushRefusedError(remote, _words(done))

    def add_worktree(self, path: Path, commit: str) -> None:
        """Check a commit out beside the others, on no branch.

        git reads what it remembers of all the others first, and fails on one that another process writes just now: hence
        the lock, here and wherever the list of trees is read or changed.
        """
        with locked(self._trees_lock):
            self._run("worktree", "add", "--quiet", "--detach", str(path), commit)

    def remove_worktree(self, path: Path) -> None:
        """Remove a working tree and what git remembers of it."""
        with locked(self._trees_lock):
            done = self._process("worktree", "remove", "--force", "--force", str(path))
            if done.returncode != 0:
                self._run("worktree", "prune")

    def restore(self, rev: str, paths: Iterable[str]) -> None:
        """Write files of a revision into the working tree, leaving the index alone."""
        self._run("restore", f"--source={rev}", "--worktree", "--", *paths, folder=self.here)

    def log(self, rev: str, form: str, *paths: str) -> list[str]:
        """One formatted entry per commit, newest first."""
        text = self._run("log", "-z", f"--format={form}", "--end-of-options", rev, "--", *paths)
        return [entry for entry in text.split("\0") if entry]

    def refs(self, pattern: str, form: str) -> list[str]:
        """One formatted entry per ref that matches, in the order of version numbers."""
        text = self._run("for-each-ref", "--sort=v:refname", f"--format={form}%00", pattern)
        return [entry.lstrip("\n") for entry in text.split("\0") if entry.strip()]

    def _run(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        personal: bool = False,
    ) -> str:
        done = self._process(*args, stdin=stdin, env=env, folder=folder, personal=personal)
        if done.returncode != 0:
            raise GitError(" ".join(args[:2]), _words(done))
        return done.stdout.decode()

    def _process(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        personal: bool = False,
    ) -> subprocess.CompletedProcess[bytes]:
        # A git hook or an alias may have set GIT_DIR and its like for its own repository: they are not for us.
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or "CONFIG" in name}
        settings = [] if personal else [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]
        return subprocess.run(
            ["git", *settings, *args],
            cwd=folder or self.root,
            input=stdin,
            capture_output=True,
            env={**clean, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", **(env or {})},
            check=False,
        )


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join(done.stderr.decode(errors="replace").split()) or f"exit code {done.returncode}"

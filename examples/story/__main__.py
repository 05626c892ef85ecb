"""`make run`: the whole job on real data, in the person's own repository.

Of that repository it changes nothing but the branch `mill`, version tags and ignored folders, and asserts so. Each step
first looks whether it has been done, so the story goes on where it was interrupted, and told again it only answers again.
"""

import csv
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from flows.server import prefect_server
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from examples.story.grist import images_of, labels_of, poisoned, portion
from examples.story.screen import Screen, Service, StoryError, shown_files
from gristmill.data.progress import progress_bars
from gristmill.data.sources import SourceBatch, fetch_batch
from gristmill.ground.errors import GristmillError
from gristmill.ground.settings import read_yaml
from gristmill.registry.history import read_history
from gristmill.registry.promotion import read_production
from gristmill.registry.versions import Version, find_version, read_versions
from gristmill.runs.landing import land
from gristmill.runs.repository import Repository
from gristmill.runs.sourcing import source_cache, source_settings

LEAST_ACCURACY = 0.88
"""Of the Fashion-MNIST champion on the official 10,000 test images, or the story fails."""


class Story:
    """The six steps, on one repository."""

    def __init__(self, repository: Repository, screen: Screen, folder: Path) -> None:
        self.repository = repository
        self.screen = screen
        self.folder = folder
        """For the portions of data that the story makes."""

    def first_model(self) -> None:
        """Step 0: the first model in production, early."""
        self.screen.step("0  credit-risk: from nothing to an answer")
        if self.champion("credit-risk") is None:
            self.screen.verb("land", "credit-risk")
            self.screen.verb("run", "credit-risk", "--reason", "the first data")
        source = source_settings(self.repository.workload("credit-risk"))
        (part,) = self.fetched(source.batches[0])
        with part.open(encoding="utf-8") as file:
            row = next(csv.DictReader(file))
        truth = row.pop("Class")
        with self.screen.service("credit-risk") as service:
            answer = service.ask({"rows": [numbers_as_numbers(row)]})
        prediction = answer["predictions"][0]
        shares = ", ".join(f"{name} {share:.3f}" for name, share in prediction["probabilities"].items())
        self.screen.say(f"{answer['version']} says {prediction['label']} ({shares}); the bank's own word: {truth}")

    def images(self) -> None:
        """Steps 1 to 4: a champion, a poisoned batch, a challenger, a rollback; one service answers all the while."""
        name = "fashion-mnist"
        source = source_settings(self.repository.workload(name))
        batches = {batch.role: batch for batch in source.batches}
        self.screen.step("1  fashion-mnist: 50,000 images, the first champion")
        test, train = self.fetched(batches["benchmark"]), self.fetched(batches["train"])
        if not read_versions(self.repository.git, name):
            self.land(name, test, "benchmark")
            self.land(name, portion(train, 0, 50_000, self.folder), "train")
            self.screen.verb("run", name, "--reason", "the first 50,000 images")
        if self.champion(name) is None:
            raise StoryError("the first fashion-mnist model was not promoted; `gristmill history` says why.")
        with self.screen.service(name) as service:
            self.answer_ten(service, test)
            self.screen.step("2  a poisoned batch lands: inverted, wrongly labelled, cut short")
            self.poison(train)
            self.screen.step("3  the remaining 10,000 images: a challenger")
            moved = self.challenge(name, service, portion(train, 50_000, 60_000, self.folder))
            self.back_and_forward(name, service, moved)

    def poison(self, train: list[Path]) -> None:
        """Step 2: quarantined with reasons; admitted rows, model and champion untouched."""
        name = "fashion-mnist"
        batch = self.land(name, poisoned(train, self.folder), "train")
        if not self.quarantine_reasons(name, batch):  # judged before: a run now could be about what landed later
            before = self.champion(name)
            lines = self.screen.verb("run", name, "--reason", "a batch of doubtful origin")
            if not lines[-1].startswith("Unchanged") or self.champion(name) != before:
                raise StoryError(f"a poisoned batch must end Unchanged, but the run said: {lines[-1]}")
        self.screen.listing("quarantined as a whole, because:", self.quarantine_reasons(name, batch))

    def challenge(self, name: str, service: Service, files: list[Path]) -> bool:
        """Step 3: land more, compare on the same records; True if a new version is in production."""
        if len(self.champions(name)) > 1:
            self.screen.say("done before: " + ", ".join(self.champions(name)) + " have been in production")
            return True
        self.land(name, files, "train")
        self.screen.verb("run", name, "--reason", "more images")
        gate = self.gate(name)
        self.screen.say(f"verdict {gate['verdict']}: {gate['sentence']}")
        for check in gate["checks"]:
            self.screen.say(f"  {check['outcome']:6} {check['sentence']}")
        if gate["verdict"] == "REJECT":
            return False
        if gate["verdict"] == "HOLD":
            newest = read_versions(self.repository.git, name)[-1]
            reason = "a person looked: more data, and no worse on any check"
            self.screen.verb("promote", name, newest.version, "--reason", reason)
        champion = self.champion(name)
        assert champion is not None
        seconds = service.await_version(champion.version)
        self.screen.say(f"the running service answers with {champion.version}, {seconds:.1f} s after the promotion")
        return True

    def back_and_forward(self, name: str, service: Service, moved: bool) -> None:
        """Step 4: rollback, resume, and forward again, one command each; left out where step 3 moved nothing."""
        self.screen.step("4  back and forward again")
        if not moved:
            self.screen.say("left out: the challenger was rejected, so there is nothing to roll back to.")
            return
        subjects = [event.subject for event in read_history(self.repository.mill, name)]
        forward = self.champions(name)
        if not any(subject.startswith("rollback") for subject in subjects):
            self.screen.verb("rollback", name, "--reason", "a customer complains")
            champion = self.champion(name)
            assert champion is not None
            self.screen.say(f"{champion.version} answers after {service.await_version(champion.version):.1f} s")
        production = read_production(self.repository.mill, name)
        if production and production.frozen:
            self.screen.verb("resume", name)
        if production and production.barred.models:
            newest = str(production.barred.models[-1]["version"])
            self.screen.verb("promote", name, newest, "--reason", "the complaint was about something else")
            self.screen.say(f"{newest} answers after {service.await_version(newest):.1f} s")
        elif forward:
            self.screen.say("done before")
        self.screen.verb("history", name, "--last", "8")

    def third_workload(self) -> None:
        """Step 5: a workload of files only."""
        self.screen.step("5  mnist: another workload, files only, no code")
        if self.champion("mnist") is None:
            self.screen.verb("land", "mnist")
            self.screen.verb("run", "mnist", "--reason", "the first data")
        champion = self.champion("mnist")
        self.screen.say(f"{champion.version} is in production" if champion else "nothing was promoted")

    def finale(self) -> None:
        """The table, and where everything is."""
        headings = ("workload", "version", "judged by", "held out", "test set")
        table = Table(*headings, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for workload in self.repository.workloads():
            if champion := self.champion(workload.name):
                metric = str(read_yaml(workload.params)["gate"]["metric"])
                figures = [_figure(champion.metrics[records], metric) for records in ("holdout", "benchmark")]
                table.add_row(workload.name, champion.version, metric.replace("_", " "), *figures)
        self.screen.step("what is in production now")
        self.screen.console.print(Padding(table, (0, 0, 0, 1)))
        champion = self.champion("fashion-mnist")
        accuracy = champion.metrics["benchmark"]["accuracy"] if champion else 0
        if champion is None or accuracy < LEAST_ACCURACY:
            raise StoryError(f"the fashion-mnist champion's accuracy is {accuracy:.4f}, under {LEAST_ACCURACY}.")
        self.screen.say(
            "The branch mill and the version tags hold it all; your own files are as they were. Look on with:"
        )
        commands = Table.grid(padding=(0, 2))
        if shutil.which("gristmill") is None:
            commands.add_row(". .venv/bin/activate", "puts gristmill and dvc on your path")
        commands.add_row("gristmill status", "every workload on one screen")
        commands.add_row("gristmill history", "what happened, and why")
        commands.add_row("gristmill pull", "brings the last runs into your own tree; then see")
        commands.add_row("  reports/fashion-mnist/report.html", "the verdict, and what it rests on")
        commands.add_row("  data/fashion-mnist/quarantine/", "what was refused, with reasons")
        commands.add_row("  models/fashion-mnist/package/", "the Bento")
        commands.add_row("dvc repro", "the same stages, by hand: only new champions are evaluated")
        commands.add_row("gristmill serve fashion-mnist", "the model in production; its page is at /")
        self.screen.console.print(Padding(commands, (1, 0, 0, 4)))

    def answer_ten(self, service: Service, test: list[Path]) -> None:
        """Ten real images, and how many of the answers are right."""
        pictures, labels = images_of(test[0])[:10], labels_of(test[1])[:10]
        answer = service.ask({"images": pictures.tolist()})
        workload = self.repository.workload("fashion-mnist")
        classes = read_yaml_classes(workload.params)
        right = sum(p["label"] == classes[label] for p, label in zip(answer["predictions"], labels, strict=True))
        self.screen.say(f"{answer['version']} answered ten test images, {right} of them right")
        if right < 7:
            raise StoryError(f"only {right} of ten answers are right.")

    def land(self, name: str, files: list[Path], role: Any) -> str:
        """Land files with the source's origin and licence, as `gristmill land` would, and say so."""
        source = source_settings(self.repository.workload(name))
        workload = self.repository.workload(name)
        landed = land(self.repository, workload, files, role, source.origin, source.licence, source.terms)
        what = "lands as" if landed.is_new else "had landed before as"
        self.screen.say(f"{shown_files(files)}: {what} batch {landed.manifest.batch}")
        return landed.manifest.batch

    def fetched(self, batch: SourceBatch) -> list[Path]:
        """The files of a declared batch."""
        with progress_bars() as report:
            return list(fetch_batch(batch, source_cache(self.repository), report).parts)

    def champion(self, name: str) -> Version | None:
        """The version in production."""
        production = read_production(self.repository.mill, name)
        if production is None or production.champion.version is None:
            return None
        return find_version(self.repository.git, name, production.champion.version)

    def champions(self, name: str) -> list[str]:
        """Every version that has been in production, oldest first."""
        events = reversed(read_history(self.repository.mill, name))
        return list(dict.fromkeys(e.trailers["Version"] for e in events if e.subject.startswith("promote")))

    def gate(self, name: str) -> dict[str, Any]:
        """The last verdict."""
        return self.report(name, "gate.json")

    def quarantine_reasons(self, name: str, batch: str) -> list[str]:
        """Why a batch, or rows of it, were not admitted."""
        entries = self.report(name, "validation.json")["batches"]
        return [reason["reason"] for entry in entries if entry["batch"] == batch for reason in entry["reasons"]]

    def report(self, name: str, file: str) -> dict[str, Any]:
        """A report of the last run, from the branch."""
        return dict(json.loads(self.repository.mill.read(f"reports/{name}/{file}") or b"{}"))


def numbers_as_numbers(row: dict[str, str]) -> dict[str, Any]:
    """A CSV row as JSON: numbers where they are numbers, null where empty."""

    def value(text: str) -> Any:
        if not text:
            return None
        try:
            return float(text)
        except ValueError:
            return text

    return {name: value(text) for name, text in row.items()}


def read_yaml_classes(params: Path) -> list[str]:
    """The names of a workload's classes, by label."""
    return [str(name) for name in read_yaml(params)["prepare"]["classes"]]


def _figure(values: dict[str, Any], metric: str) -> str:
    return f"{values[metric]:.4f} on {values['n']:,}" if values["n"] else "none"


def untouchable(repository: Repository) -> tuple[str, ...]:
    """What the story must leave as it is: edits, HEAD and every ref that is neither `mill` nor a version's tag."""
    git = repository.git
    versions = [f"refs/tags/{workload.name}@v" for workload in repository.workloads()]
    refs = [
        ref
        for ref in git.refs("refs", "%(refname) %(objectname)")
        if not ref.startswith(("refs/heads/mill ", *versions))
    ]
    return (git.commit_of("HEAD"), git.edits(), *refs)


def play(repository: Repository, console: Console) -> None:
    """Tell the story.

    Raises:
        GristmillError: a step did not come out as it must.
    """
    before, started = untouchable(repository), time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="gristmill-story-") as folder,
        prefect_server(repository.state, lambda line: console.print(f"[dim]{line} (its pages, while this runs)[/dim]")),
    ):
        story = Story(repository, Screen(repository.root, console), Path(folder))
        told_before = story.champion("mnist") is not None
        if told_before:
            console.print("This story has been told here before: nothing is trained again, what stands only answers.")
        story.first_model()
        if not told_before:
            story.screen.quietly(f"the first answer came {time.monotonic() - started:.0f} s after the start")
        story.images()
        story.third_workload()
        story.finale()
    if untouchable(repository) != before:
        raise StoryError("the story changed something of yours; please report this with `git status` and `git reflog`.")
    console.print(f"\n[dim]told in {time.monotonic() - started:.0f} s[/dim]")


def main() -> int:
    """Exit code 0 when the story came out."""
    console = Console()
    try:
        play(Repository(Path.cwd()), console)
    except GristmillError as error:
        console.print(Text(str(error), "red"), soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("\nstopped; `make run` goes on where it was")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

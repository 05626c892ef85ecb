"""The story of `make run` in a fresh repository, its set-up excluded and the fetching of its data included."""

import csv
import itertools
import json
import re
import subprocess
import sys
import time
from datetime import datetime

from examples.story.__main__ import numbers_as_numbers
from examples.story.grist import images_of
from examples.story.screen import Service

from benchmarks.figures import tell, tell_median
from benchmarks.scratch import BIN, Done, Line, Scratch, declared_parts, scratch_repository
from benchmarks.timeline import timeline
from gristmill.registry.promotion import read_production
from gristmill.registry.versions import Version, find_version
from gristmill.runs.repository import Repository
from gristmill.serving.command import free_port


def main() -> None:
    with scratch_repository() as scratch:
        told = scratch.run(sys.executable, "-m", "examples.story")
        tell("the whole story, from one command", told.seconds, "s", target="<= 360")
        log = read_log(scratch)
        tell("the first answered row, after the start", first_answer(log), "s", target="<= 90")
        for title, seconds in steps(log):
            tell(f"step {title}", seconds, "s")
        turns(log)
        quality(scratch)
        again = scratch.run(sys.executable, "-m", "examples.story")
        tell("the story told again, with all done", again.seconds, "s", target="<= 60")
        by_hand(scratch)
        serving(scratch)


def read_log(scratch: Scratch) -> list[Line]:
    """What the story wrote down: each line with the seconds since the first."""
    entries = []
    for line in (scratch.root / ".gristmill" / "logs" / "story.log").read_text("utf-8").splitlines():
        stamp, _, text = line.partition(" ")
        entries.append((datetime.fromisoformat(stamp), text))
    return [Line((stamp - entries[0][0]).total_seconds(), text) for stamp, text in entries]


def first_answer(log: list[Line]) -> float:
    """As the story itself says."""
    said = next(line.text for line in log if line.text.startswith("the first answer came"))
    return float(re.findall(r"\d+", said)[0])


def steps(log: list[Line]) -> list[tuple[str, float]]:
    """The numbered steps, and how long each took."""
    titles = [line for line in log if line.text.startswith("# ")]
    return [
        (" ".join(title.text.split()[1:]), after.second - title.second)
        for title, after in itertools.pairwise(titles)
        if title.text[2].isdigit()
    ]


def turns(log: list[Line]) -> None:
    """Each `gristmill run` of the story: its seconds, its stages', and what else it cost."""
    counts: dict[str, int] = {}
    starts = [i for i, line in enumerate(log) if line.text.startswith("$ gristmill run")]
    for start in starts:
        workload = log[start].text.split()[3]
        end = next(i for i in range(start + 1, len(log)) if log[i].text.startswith("$ ended"))
        lines = [Line(line.second - log[start].second, line.text) for line in log[start + 1 : end]]
        turn = timeline(Done(log[end].second - log[start].second, lines))
        counts[workload] = n = counts.get(workload, 0) + 1
        tell(f"turn {n} of {workload} in the story", turn.seconds, "s")
        tell(f"turn {n} of {workload} in the story: Prefect, DVC and git together", turn.overhead, "s", "<= 13")
        for stage, seconds in turn.stages.items():
            tell(f"turn {n} of {workload} in the story: stage {stage}", seconds, "s")
        for line in lines:
            if found := re.search(r"epoch (\d+)/\d+ .* ([\d,]+) samples/s", line.text):
                rate = float(found[2].replace(",", ""))
        if workload != "credit-risk" and "train" in turn.stages:
            tell(f"turn {n} of {workload} in the story: training, last epoch, 1 thread", rate, "samples/s")


def quality(scratch: Scratch) -> None:
    """How good the models in production are."""
    repository = Repository(scratch.root)
    fashion, digits, credit = (champion(repository, name) for name in ("fashion-mnist", "mnist", "credit-risk"))
    tell(
        "fashion-mnist champion: accuracy on the official 10,000",
        fashion.metrics["benchmark"]["accuracy"],
        "",
        ">= 0.88",
    )
    tell("fashion-mnist champion: accuracy on the holdout", fashion.metrics["holdout"]["accuracy"], "")
    tell("mnist champion: accuracy on the official 10,000", digits.metrics["benchmark"]["accuracy"], "")
    tell("credit-risk champion: balanced accuracy on the holdout", credit.metrics["holdout"]["balanced_accuracy"], "")
    training = json.loads(repository.mill.read("reports/credit-risk/training.json") or b"{}")
    folds = training["cross_validation"]
    baseline = folds["baseline"]
    tell("credit-risk: balanced accuracy of the majority baseline", baseline, "")
    tell("credit-risk: balanced accuracy, cross-validated, mean of 5 folds", folds["mean"], "", f"> {baseline:g}")
    tell("credit-risk: balanced accuracy, cross-validated, spread of 5 folds", folds["std"], "")


def champion(repository: Repository, workload: str) -> Version:
    """The version in production."""
    production = read_production(repository.mill, workload)
    assert production is not None and production.champion.version is not None
    return find_version(repository.git, workload, production.champion.version)


def by_hand(scratch: Scratch) -> None:
    """What a person does afterwards, in their own tree."""
    tell("gristmill pull, three workloads, the first time", scratch.gristmill("pull").seconds, "s")
    tell("dvc repro after it: evaluates the new champions once", scratch.dvc("repro").seconds, "s")
    tell_median("dvc repro with nothing to do, three workloads", [scratch.dvc("repro").seconds for _ in range(3)], "s")
    one = [scratch.dvc("repro", "package@fashion-mnist").seconds for _ in range(3)]
    tell_median("dvc repro with nothing to do, fashion-mnist", one, "s", "< 4")
    tell_median("gristmill status, three workloads", [scratch.gristmill("status").seconds for _ in range(3)], "s")


def serving(scratch: Scratch) -> None:
    """From `gristmill serve` to the first answer, and how long an answer takes."""
    images = images_of(declared_parts("fashion-mnist", "benchmark")[0])
    with declared_parts("credit-risk")[0].open(encoding="utf-8") as file:
        row = numbers_as_numbers(next(csv.DictReader(file)))
    row.pop("Class")
    requests = {"fashion-mnist": {"images": images[:10].tolist()}, "credit-risk": {"rows": [row]}}
    for workload, request in requests.items():
        ready, answers = [], []
        for _ in range(3):
            port = free_port()
            began = time.perf_counter()
            with subprocess.Popen(
                [str(BIN / "gristmill"), "serve", workload, "--port", str(port)],
                cwd=scratch.root,
                env=scratch.environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                try:
                    service = Service(f"http://127.0.0.1:{port}")
                    while not service.is_ready():
                        assert process.poll() is None
                        time.sleep(0.02)
                    ready.append(time.perf_counter() - began)
                    for n in range(60):
                        asked = time.perf_counter()
                        service.ask(request)
                        if n >= 10:
                            answers.append(1000 * (time.perf_counter() - asked))
                finally:
                    process.terminate()
        tell_median(f"gristmill serve {workload}: until it is ready", ready, "s")
        what = "ten images" if workload == "fashion-mnist" else "one row"
        tell_median(f"gristmill serve {workload}: {what} answered over HTTP", answers, "ms")


if __name__ == "__main__":
    main()

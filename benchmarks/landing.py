"""How long `gristmill land` takes, with the files at hand: what a mirror needs is not in it."""

import tempfile
from pathlib import Path

from examples.story.grist import portion

from benchmarks.figures import tell, tell_median
from benchmarks.scratch import declared_parts, scratch_repository


def main() -> None:
    (table,) = declared_parts("credit-risk")
    images = declared_parts("fashion-mnist")
    with tempfile.TemporaryDirectory(prefix="gristmill-benchmark-") as folder:
        batch = [str(path) for path in portion(images, 0, 50_000, Path(folder))]
        rows, many, again = [], [], []
        for _ in range(3):
            with scratch_repository() as scratch:
                rows.append(scratch.gristmill("land", "credit-risk", str(table)).seconds)
                many.append(scratch.gristmill("land", "fashion-mnist", *batch).seconds)
                again.append(scratch.gristmill("land", "fashion-mnist", *batch).seconds)
    tell_median("landing 1,000 rows, the first batch of all", rows, "s")
    tell_median("landing 50,000 images", many, "s")
    tell_median("landing the same 50,000 images again, which changes nothing", again, "s")
    size_mib = sum(Path(path).stat().st_size for path in images) * 50 / 60 / 2**20
    tell("size of the 50,000 images", size_mib, "MiB")


if __name__ == "__main__":
    main()

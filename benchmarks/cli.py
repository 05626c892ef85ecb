"""How soon the command line answers."""

from benchmarks.figures import tell_median
from benchmarks.scratch import scratch_repository


def main() -> None:
    with scratch_repository() as scratch:
        scratch.gristmill("--help")  # compiles the modules, as an installation does
        tell_median("gristmill --help", [scratch.gristmill("--help").seconds for _ in range(7)], "s", "< 0.5")
        tell_median("gristmill status, nothing landed", [scratch.gristmill("status").seconds for _ in range(5)], "s")


if __name__ == "__main__":
    main()

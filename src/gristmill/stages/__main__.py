"""`python -m gristmill.stages STAGE WORKLOAD`: what each `cmd` of dvc.yaml calls.

It loads only the stage that it runs, so that a stage pays for no library but its own.
"""

import gc
import importlib
import os
import sys
import time
from pathlib import Path

from gristmill.ground.errors import GristmillError
from gristmill.ground.lifetime import die_with_parent
from gristmill.ground.memo import open_memo
from gristmill.ground.pipeline import STAGES, stage_definition
from gristmill.ground.process import (
    check_imported_from,
    check_libraries,
    check_unchanged,
    leave_other_trees,
    snapshot,
)
from gristmill.ground.workload import find_workload

QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "False",
    "DVC_NO_ANALYTICS": "1",
}

BATCHWISE = {"ingest": ("landing",), "validate": ("landing", "batches")}
"""Stages that remember what they made of each batch, and the folders of data/<w> that hold what is a batch's own."""

_LOADED = time.monotonic()


def run_stage(stage: str, workload_name: str, root: Path) -> None:
    """Run one stage of one workload in the working tree `root`.

    Raises:
        GristmillError: something that a person can mend.
    """
    check_imported_from(root)
    leave_other_trees(root)
    workload = find_workload(root, workload_name)
    definition = stage_definition(stage, workload)
    check_libraries(root, definition.libraries)
    before = snapshot(root, definition)
    run = getattr(importlib.import_module(f"gristmill.stages.{stage}"), stage)
    if stage not in BATCHWISE:
        run(workload)
        check_unchanged(root, definition, before)
        return
    memo = open_memo(workload, definition, [workload.data / folder for folder in BATCHWISE[stage]])
    run(workload, memo)
    check_unchanged(root, definition, before)
    memo.settle()


def process_age_s() -> float:
    """Seconds since this process began, the start of its interpreter and all imports included.

    Linux counts it in hundredths; elsewhere it counts from the import of this module.
    """
    if sys.platform != "linux":
        return time.monotonic() - _LOADED
    behind_name = Path("/proc/self/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    began_s = int(behind_name[19]) / os.sysconf("SC_CLK_TCK")  # since the system's start: proc(5), field 22
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began_s


def main() -> int:
    """Run the stage named on the command line; a fault that a person can mend is one sentence and exit code 1."""
    match sys.argv[1:]:
        case [stage, workload_name] if stage in STAGES:
            os.environ.update(QUIET)
            try:
                die_with_parent()
                run_stage(stage, workload_name, Path.cwd())
            except GristmillError as error:
                print(f"{stage}@{workload_name}: {error}", file=sys.stderr)
                return 1
            print(f"{stage}@{workload_name} took {process_age_s():.2f} s", flush=True)
            gc.freeze()  # else Python's end goes through every object once more: 0.4 s for `validate`, 0.2 s for `train`
            return 0
    print(f"usage: python -m gristmill.stages {{{','.join(STAGES)}}} WORKLOAD", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())

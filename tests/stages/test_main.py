"""`python -m gristmill.stages`: what a stage's process says of itself."""

import subprocess
import sys
import time

import pytest

SLOW_STAGE = """
import sys, time
time.sleep(0.4)  # as an interpreter and its imports would
import gristmill.stages.__main__ as stages
from gristmill.ground.errors import GristmillError

def run_stage(*_):
    time.sleep(0.3)
    {last}

stages.run_stage = run_stage
sys.argv = ["stages", "gate", "toy"]
sys.exit(stages.main())
"""


def staged(last: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SLOW_STAGE.format(last=last)], capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the time before our own import is not known")
def test_a_stage_ends_by_saying_how_long_its_process_lived_imports_included() -> None:
    began = time.monotonic()
    done = staged("print('the verdict')")
    lived = time.monotonic() - began
    *_, last = done.stdout.splitlines()
    told = float(last.removeprefix("gate@toy took ").removesuffix(" s"))
    assert 0.7 <= told <= lived + 0.02  # the kernel counts in hundredths


def test_a_stage_that_failed_names_no_time() -> None:
    done = staged("raise GristmillError('no data')")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "gate@toy: no data\n")

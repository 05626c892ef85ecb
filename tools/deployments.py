"""Make prefect.yaml from the schedules in params/: `python -m tools.deployments`.

tests/test_prefect_yaml.py fails where it is stale.
"""

import sys
from pathlib import Path

from gristmill.runs.schedules import deployments, prefect_yaml

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    path = ROOT / "prefect.yaml"
    before, after = path.read_text("utf-8") if path.exists() else "", prefect_yaml(deployments(ROOT))
    path.write_text(after, "utf-8")
    sys.stdout.write("prefect.yaml: " + ("made anew\n" if after != before else "up to date\n"))

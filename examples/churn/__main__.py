"""`python -m examples.churn`: write churn.csv and three files that come later, in the current folder."""

import sys
from pathlib import Path

from examples.churn.customers import customers, poisoned, with_bad_rows, write_csv


def main() -> None:
    """Write four files; the same ones each time."""
    files = {
        "churn.csv": customers(10_000, seed=1),
        "july.csv": customers(2_000, seed=2, first_id=10_001),
        "august.csv": with_bad_rows(customers(2_000, seed=3, first_id=12_001), share=0.03),
        "september.csv": poisoned(customers(2_000, seed=4, first_id=14_001)),
    }
    for name, rows in files.items():
        write_csv(Path(name), rows)
        sys.stdout.write(f"{name}: {len(rows):,} customers\n")


if __name__ == "__main__":
    main()

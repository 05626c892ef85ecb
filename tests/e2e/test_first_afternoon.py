"""A person's own CSV becomes a gated, served model by the README's five commands, exactly as they are printed."""

import json
import random
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from examples.churn.customers import COLUMNS, customers, write_csv
from tests.conftest import copy_of_todays_code, gristmill, turn
from tests.houses import House, wait_for
from tests.pages import persons_environment, printed_commands, type_in
from tests.real_servers import wait_until_ready

from gristmill.registry.promotion import read_production
from gristmill.runs.repository import Repository

ROOT = Path(__file__).resolve().parent.parent.parent
AFTERNOON = (ROOT / "docs" / "first-afternoon.md").read_text("utf-8")
COMMANDS = printed_commands(ROOT / "README.md", "Your own CSV to a served, gated model in five commands")
ROW = dict(zip(COLUMNS[1:-1], ["2026-05-01", "monthly", None, None, 6, 2], strict=True))


def answered(folder: Path, command: str, row: dict[str, Any], prefect_api: str) -> dict[str, Any]:
    """What the service that the last command starts says of a row."""
    url = f"http://127.0.0.1:{shlex.split(command)[-1]}"
    with subprocess.Popen(
        shlex.split(command),
        cwd=folder,
        env={**persons_environment(folder), "PREFECT_API_URL": prefect_api},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_until_ready(url, process, 120)
            answer: dict[str, Any] = httpx.post(f"{url}/predict", json={"rows": [row]}).raise_for_status().json()
        finally:
            process.terminate()
    return answer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_of_todays_code(tmp_path / "repo")


def gate_of(folder: Path, workload: str) -> dict[str, Any]:
    content = Repository(folder).mill.read(f"reports/{workload}/gate.json")
    assert content is not None
    gate: dict[str, Any] = json.loads(content)
    return gate


def test_five_commands_make_an_answer_of_a_csv_and_three_more_files_go_as_the_page_says(
    folder: Path, prefect_api: str
) -> None:
    type_in(folder, "python -m examples.churn")
    *before, serve = COMMANDS
    assert len(COMMANDS) == 5
    said = [type_in(folder, command, PREFECT_API_URL=prefect_api) for command in before]
    assert "0.54 is three standard" in said[0] and "Promoted" in said[3]
    answer = answered(folder, serve, ROW, prefect_api)
    assert answer["version"] == "v1.0.0"
    assert answer["predictions"][0]["label"] == "yes", "six calls in two months on a monthly plan"
    gate = gate_of(folder, "churn")
    assert gate["comparison"]["challenger"] > 0.83, "the known signal allows 0.85"
    assert gate["comparison"]["n"] > 1_800

    house = House(folder)
    house.start()
    try:
        house.await_up()
        for command in re.findall(r"^\$ (cp .*)$", AFTERNOON, re.MULTILINE):
            type_in(folder, command)
            wait_for("it to be milled", house.is_all_milled, house.log)
        wait_for("the last line", lambda: "run: Unchanged" in house.log.read_text("utf-8"), house.log)
        assert house.stop() == 0
    finally:
        house.kill()
    log = house.log.read_text("utf-8")
    promised = [line for line in AFTERNOON.splitlines() if line.startswith("churn: batch")]
    assert len(promised) == 3
    for line in promised:
        assert f"| {line}\n" in log
    outcomes = re.findall(r"churn: run: (\w+)", log)
    assert len(outcomes) == 3 and {*outcomes[:2]} <= {"Promoted", "Held"} and outcomes[2] == "Unchanged"
    told = type_in(folder, "gristmill why churn")
    assert told.count("up to date") == 7, f"classes called yes and no are words to DVC as to us\n{told}"
    type_in(folder, "gristmill pull")
    for path in re.findall(r"`(data/churn/quarantine/[^`]+|reports/churn/report.html)`", AFTERNOON):
        assert (folder / path).is_file()


def test_the_same_csv_with_its_target_shuffled_is_rejected_at_the_floor_that_new_wrote(
    folder: Path, prefect_api: str
) -> None:
    rows = customers(10_000, seed=1)
    targets = [row[-1] for row in rows]
    random.Random(0).shuffle(targets)
    write_csv(folder / "churn.csv", [[*row[:-1], target] for row, target in zip(rows, targets, strict=True)])
    said = [type_in(folder, command, PREFECT_API_URL=prefect_api) for command in COMMANDS[:-1]]
    assert "Rejected" in said[3] and "below the floor of 0.54" in said[3]
    assert read_production(Repository(folder).mill, "churn").champion.version is None  # type: ignore[union-attr]


def house_prices(n_rows: int, seed: int) -> str:
    """Prices as a German spreadsheet writes them; rooms, place and age decide, and some noise."""
    rng = np.random.default_rng(seed)
    base = {"Berlin": 75_000, "Köln": 60_000, "Jena": 30_000}
    lines = ["objekt;zimmer;baujahr;ort;verkauft_am;preis"]
    for i in range(n_rows):
        rooms, age, place = rng.integers(1, 9), rng.integers(0, 100), rng.choice(list(base))
        price = rooms * base[str(place)] - 900 * age + 150_000 + 15_000 * rng.normal()
        year = "" if rng.random() < 0.05 else str(2026 - age)
        sold = f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.{rng.integers(2022, 2026)}"
        lines.append(f"H{i};{rooms};{year};{place};{sold};" + f"{price:.2f}".replace(".", ","))
    return "\r\n".join(lines)


def test_a_regression_of_a_spreadsheets_export_is_served_just_so(folder: Path, prefect_api: str) -> None:
    (folder / "preise.csv").write_bytes(house_prices(3_000, seed=2).encode("cp1252"))
    commands = [c.replace("churned", "preis").replace("customer_id", "objekt") for c in COMMANDS]
    commands = [
        c.replace("churn.csv", "preise.csv").replace("churn", "prices").replace("3000", "3001") for c in commands
    ]
    *before, serve = commands
    said = [type_in(folder, command, PREFECT_API_URL=prefect_api) for command in before]
    assert "read as Latin-1 (Windows-1252), ';' between cells, decimal commas" in said[0]
    assert "A regression of 'preis' from 4 columns" in said[0]
    row = {"zimmer": 5, "baujahr": 2000, "ort": "Köln", "verkauft_am": "2025-03-01"}
    answer = answered(folder, serve, row, prefect_api)
    expected = 60_000 * 5 - 900 * 26 + 150_000
    assert answer["version"] == "v1.0.0"
    assert abs(answer["predictions"][0]["prediction"] - expected) < 20_000
    floors = [check for check in gate_of(folder, "prices")["checks"] if check["name"] == "floor: r2"]
    assert floors[0]["outcome"] == "pass" and floors[0]["value"] > 0.9


def test_300_rows_make_a_model_and_a_gate_that_says_what_it_cannot_see(folder: Path, prefect_api: str) -> None:
    write_csv(folder / "few.csv", customers(300, seed=3))
    done = gristmill(folder, "new", "few", "--from", "few.csv", "--target", "churned", "--id", "customer_id")
    assert "so many rows can show a difference of about 0.09" in done.stdout
    type_in(folder, "git add -A && git commit -qm few && gristmill land few few.csv", PREFECT_API_URL=prefect_api)
    assert "Promoted" in turn(folder, "few", prefect_api)
    gate = gate_of(folder, "few")
    assert gate["smallest_visible_difference"] > 0.05
    assert gate["sensitivity"].startswith(f"With {gate['comparison']['n']} records, this gate will see differences")

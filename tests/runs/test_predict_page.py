"""docs/predict.md, typed: a file, a notebook, and the trace of an answer."""

import re

import pyarrow.parquet as pq
from tests.applications import applications, write_applications
from tests.conftest import ROOT
from tests.pages import type_in
from tests.served_answers import answered

from gristmill.runs.repository import Repository

PAGE = (ROOT / "docs" / "predict.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_what_the_page_says_is_what_happens(turned: Repository) -> None:
    rows = [{name: row[name] for name in row if name != "Class"} for row in applications(30, 5)]
    write_applications(turned.root / "applicants.csv", rows)
    request_id = answered(turned)["request_id"]
    predict, metadata, trace = blocks("sh")
    assert "30 records answered" in type_in(turned.root, predict)
    assert "b'version': b'v1.0.0'" in type_in(turned.root, metadata)
    (turned.root / "cell.py").write_text(
        f"{blocks('python')[0]}print(len(scores), answer[0]['label'] == scores.label[0])\n"
    )
    told = type_in(turned.root, "python cell.py")
    assert told == f"{told.splitlines()[0]}\n30 True\n" and told.startswith("<credit-risk@v1.0.0: tabular")
    assert "PROMOTE" in type_in(turned.root, re.sub(r"[0-9a-f]{32}", request_id, trace))


def test_the_columns_of_the_page_are_those_of_the_file(turned: Repository) -> None:
    write_applications(turned.root / "applicants.csv", applications(3, 5))
    type_in(turned.root, blocks("sh")[0])
    table = PAGE.partition("| column | what |")[2].partition("\n\n")[0]
    named = [name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert named == pq.read_schema(turned.root / "scores.parquet").names

"""Looking over a suite before any batch comes: all that a run would refuse, and what it would only find out too late."""

import ast
from typing import NamedTuple

from gristmill.adapters.expectations import refused
from gristmill.ground.errors import GristmillError
from gristmill.ground.workload import Workload
from gristmill.quality.profile import Profile
from gristmill.quality.structure import check_structure
from gristmill.quality.suite import Suite, SuiteError, check_suite, entry_name
from gristmill.runs.profiling import profiled_columns, records_of


class Linted(NamedTuple):
    """What was found in one suite."""

    summary: str
    """One line, for a suite that is sound."""
    faults: list[str]
    """A line for each fault."""


def lint_suite(workload: Workload) -> Linted:
    """Read a suite strictly, ask Great Expectations for each entry, and hold it against its columns and its profile."""
    suite, faults = check_suite(workload.expectations, workload.name)
    if suite is None:
        return Linted("", [fault.line for fault in faults])
    named = {fault.args[1] for fault in faults}
    faults += [fault for fault in refused(suite, workload.expectations) if fault.args[1] not in named]
    faults += [SuiteError(workload.expectations, "", problem) for problem in _misfits(workload, suite)]
    faults += [SuiteError(workload.profile, "", problem) for problem in _out_of_step(workload, suite)]
    n_decide = sum(entry.severity == "critical" for entry in suite.expectations)
    n_rows = f", measured by {suite.profile.n:,} rows" if suite.profile else ""
    summary = f"{workload.name}: {len(suite.expectations)} expectations, {n_decide} of them decide{n_rows}"
    return Linted(summary, [fault.line for fault in faults])


def _misfits(workload: Workload, suite: Suite) -> list[str]:
    """Columns that no batch will have, or of another type, by what the kind makes of the parameters."""
    records = records_of(workload)
    try:
        settings = records.IngestSettings.read(workload.params, "ingest")
    except GristmillError as error:
        return [f"its columns are not known: {error}"]
    schema = records.read([], settings, "").rows.schema
    reasons = check_structure("", schema, 1, (), suite).reasons
    problems = [f"{reason.text} in the tables that params/{workload.name}.yaml describes" for reason in reasons]
    known = set(schema.names)
    for i, entry in enumerate(suite.expectations):
        strange = sorted(_names(entry.condition or "") - known)
        problems += [
            f"{entry_name(i, entry.type)}: its row_condition names '{name}', which no table has" for name in strange
        ]
    return problems


def _names(condition: str) -> set[str]:
    """What a condition names; pandas' own additions to Python are left to pandas."""
    try:
        tree = ast.parse(condition.strip(), mode="eval")
    except SyntaxError:
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _out_of_step(workload: Workload, suite: Suite) -> list[str]:
    """Where the profile and the suite no longer speak of the same columns."""
    again = f"write it anew: `gristmill expectations profile {workload.name}`"
    if not workload.profile.exists():
        return [f"the file does not exist; {again}"]
    profile, declared = suite.profile, profiled_columns(suite)
    if profile is None:  # it cannot be read, which was said
        return []
    problems = [
        f"it lacks the column '{name}' of the suite; {again}" for name in declared if name not in profile.columns
    ]
    problems += [
        f"it has a column '{name}' that the suite does not declare; {again}"
        for name in profile.columns
        if name not in declared
    ]
    problems += [
        f"it shows values of '{name}', which the suite calls personal; {again}"
        for name, column in declared.items()
        if column.personal and _shows_values(profile, name)
    ]
    return problems


def _shows_values(profile: Profile, name: str) -> bool:
    parts = [profile.columns, *(one.columns for one in profile.classes)]
    if name == "target" and profile.classes:
        return True
    return any(
        columns[name].low is not None or columns[name].quantiles or columns[name].bins or columns[name].values
        for columns in parts
        if name in columns
    )

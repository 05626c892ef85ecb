"""What a turn cost beside its stages is read off its own lines."""

import pytest
from benchmarks.scratch import Done, Line
from benchmarks.timeline import timeline

TURN = Done(
    12.0,
    [
        Line(1.5, "03:45:25 | Beginning flow run 'credit-risk' for flow 'retrain'"),
        Line(3.0, "03:45:26 |   Running stage 'ingest@credit-risk':"),
        Line(3.5, "03:45:26 |   ingest@credit-risk took 0.50 s"),
        Line(4.0, "03:45:27 |   Stage 'validate@credit-risk' didn't change, skipping"),
        Line(8.0, "03:45:30 |   train@credit-risk took 3.00 s"),
        Line(9.0, "03:45:31 |   gate@credit-risk took 0.25 s"),
        Line(11.8, "Promoted: every floor holds"),
    ],
)


def test_the_stages_that_ran_and_the_rest_add_up_to_the_turn() -> None:
    turn = timeline(TURN)
    assert turn.stages == {"ingest": 0.5, "train": 3.0, "gate": 0.25}
    assert turn.overhead == pytest.approx(12.0 - 3.75)
    parts = turn.before_flow + turn.before_stages + turn.between_stages + turn.after_stages
    assert parts == pytest.approx(turn.overhead)


def test_each_part_lies_between_the_moments_that_it_names() -> None:
    turn = timeline(TURN)
    assert turn.before_flow == 1.5
    assert turn.before_stages == pytest.approx(1.5)  # from 1.5 to 3.0, when the process of ingest began
    assert turn.between_stages == pytest.approx((5.0 - 3.5) + (8.75 - 8.0))
    assert turn.after_stages == 3.0

import pytest

from gristmill.training.processes import Processes, ProcessesError, joined_processes
from gristmill.training.settings import TrainSettings


def test_the_shares_of_the_processes_make_up_the_batch() -> None:
    rows = list(range(12))
    shares = [rows[Processes(rank, rank, 3).share(12)] for rank in range(3)]
    assert [row for share in shares for row in share] == rows
    assert {len(share) for share in shares} == {4}


def test_processes_that_nobody_declared_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    with (
        pytest.raises(ProcessesError, match=r"train\.processes is 1, but 4 run"),
        joined_processes(TrainSettings(processes=1)),
    ):
        pass


def test_a_batch_that_cannot_be_shared_evenly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with (
        pytest.raises(ProcessesError, match=r"train\.batch_size is 32.*multiple of train\.processes \(3\)"),
        joined_processes(TrainSettings(processes=3, batch_size=32)),
    ):
        pass


def test_one_process_is_the_first_and_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_processes(TrainSettings()) as processes:
        assert processes.first
        assert list(range(5))[processes.share(5)] == [0, 1, 2, 3, 4]

"""Progress is drawn for a person, and told in lines where nobody watches."""

import io

from rich.console import Console

from gristmill.data.progress import progress_bars


def test_off_a_terminal_a_file_is_one_line_that_names_the_mirrors_it_did_not_come_from() -> None:
    out = io.StringIO()
    with progress_bars(Console(file=out, force_terminal=False)) as report:
        for done in range(3):
            report("a.bin", "https://host/[bold]a", done, 2)
        report("a.bin", "https://host/[bold]a failed: no answer", 0, None)
        report("a.bin", "apt:a", 0, None)
        report("a.bin", "unpacking: gunzip", 0, None)
        report("a.bin", "verified", 2000, 2000)
    assert out.getvalue() == "a.bin: 2.0 kB, verified; https://host/[bold]a passed over: no answer\n"


def test_a_file_that_was_in_the_cache_says_nothing() -> None:
    for is_terminal in (True, False):
        out = io.StringIO()
        with progress_bars(Console(file=out, force_terminal=is_terminal, width=100)) as report:
            report("a.bin", "verified", 2, 2)
        assert "a.bin" not in out.getvalue()


def test_on_a_terminal_a_part_has_one_bar_and_a_mirror_that_failed_stays_to_be_read() -> None:
    out = io.StringIO()
    with progress_bars(Console(file=out, force_terminal=True, width=100)) as report:
        report("a.bin", "https://host/a", 500_000, 1_000_000)
        report("a.bin", "https://host/a failed: [Errno 7] no", 0, None)
        report("a.bin", "verified", 1_000_000, 1_000_000)
    text = out.getvalue()
    assert "a.bin: https://host/a passed over: [Errno 7] no" in text
    assert "1.0/1.0 MB" in text


def test_a_long_address_takes_one_line_however_narrow_the_terminal() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80)
    with progress_bars(console) as report:
        report("train-images-idx3-ubyte", "https://host/" + "a" * 200, 5, 10)
    last_frame = out.getvalue().rpartition("\x1b[2K")[2]
    assert last_frame.count("train-images") == 1
    assert "aaaa\n" not in last_frame

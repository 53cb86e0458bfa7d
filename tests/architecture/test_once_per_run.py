"""What all processes of a run need is worked out once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from once_per_run import once


def _asks(folder: Path) -> None:
    def work() -> str:
        with (folder / "worked").open("a") as worked:
            worked.write("once\n")
        return "the same"

    assert once(folder, "what", work) == "the same"


def test_of_several_processes_one_does_the_work(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    asking = [context.Process(target=_asks, args=(tmp_path,)) for _ in range(4)]
    for one in asking:
        one.start()
    for one in asking:
        one.join(30)
    assert [one.exitcode for one in asking] == [0] * 4
    assert (tmp_path / "worked").read_text() == "once\n"


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    def fails() -> str:
        raise OSError("not today")

    with pytest.raises(OSError, match="not today"):
        once(tmp_path, "what", fails)
    assert once(tmp_path, "what", lambda: "well") == "well"

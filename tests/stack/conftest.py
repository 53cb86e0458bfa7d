"""A whole stack of real processes on free ports, and what a scenario's test saw of its lines."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from acceptance.thens import Thens
from forked_processes import ForkedProcesses
from stack_under_test import Running


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A stack that is configured but not started; every process ends with the test."""
    (tmp_path / "log").mkdir()
    with ForkedProcesses(tmp_path / "log") as processes:
        yield Running(tmp_path, processes)


@pytest.fixture
def then(record_property: Callable[[str, object], None]) -> Thens:
    """Looks at one line of a scenario after the other."""
    return Thens(record_property)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A line that does not hold fails its test once the others were looked at."""
    result = yield
    noted = pyfuncitem.funcargs.get("then")
    if isinstance(noted, Thens):
        noted.settle()
    return result

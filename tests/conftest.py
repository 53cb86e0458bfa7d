"""What all tests share: none of them fails because the machine was busy."""

from __future__ import annotations

import gc
import os
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Final

import pytest
import quick_libraries
from hypothesis import settings
from postgres_cluster import Cluster, cluster
from run_order import dealt

settings.register_profile("riskwarden", deadline=None)
settings.load_profile("riskwarden")
quick_libraries.use()

_STACK: Final = "pytest.mark.stack"
_ALL_STACK: Final = re.compile(rf"^pytestmark = {re.escape(_STACK)}$", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Each half of the tests leaves out the modules that are wholly of the other.

    Every process collects for itself, and what some modules import takes seconds.
    """
    chosen = config.option.markexpr
    if collection_path.suffix != ".py" or chosen not in ("stack", "not stack"):
        return None
    text = collection_path.read_text(encoding="utf-8")
    none_is = _STACK not in text if chosen == "stack" else _ALL_STACK.search(text) is not None
    return True if none_is else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end, so none of it is looked at as garbage, again and again:
    that takes a third of the collecting, and seconds after the last test.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """A test that is marked in another way would be in neither half."""
    for item in items:
        if item.get_closest_marker("stack") and _STACK not in item.path.read_text(encoding="utf-8"):
            raise pytest.UsageError(f"{item.nodeid}: say {_STACK} in its module")
    yield
    long = [item for item in items if item.get_closest_marker("long")]
    rest = [item for item in items if not item.get_closest_marker("long")]
    # The stack half is handed out file by file, in order.
    by_file = config.option.markexpr == "stack"
    processes = 1 if by_file else getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = dealt(long, rest, processes)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> Iterator[Cluster]:
    """A PostgreSQL server that all processes of this run share; it starts when it is asked for."""
    with cluster(run_folder / "postgres") as running:
        yield running


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Waits until a condition holds, and fails the test if it does not in time."""

    def wait(condition: Callable[[], object], seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        pause = threading.Event()
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"did not come true within {seconds} s")
            pause.wait(0.01)

    return wait

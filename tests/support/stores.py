"""Every place a store may be kept in, for tests that hold for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from postgres_cluster import Cluster

from risk_receivers.database.place import Place, Segmented, Server

BACKENDS: Final = ("sqlite", "jsonl", "postgresql")


@contextmanager
def kept(backend: str, path: Path, postgres: Callable[[], Cluster]) -> Iterator[Place]:
    """A new place of that kind, as far as it lies in a folder at that path."""
    if backend == "postgresql":
        with postgres().database() as dsn:
            yield Server(dsn, path)
    else:
        yield Segmented(path) if backend == "jsonl" else path


def in_every_backend(fixture: str) -> pytest.MarkDecorator:
    """Has tests run once for each place that the fixture may name."""
    return pytest.mark.parametrize(fixture, BACKENDS, indirect=True)


def as_code(place: Place) -> str:
    """The place as an expression that another process can evaluate."""
    match place:
        case Server(dsn=dsn, path=path):
            return f"Server({dsn!r}, Path({str(path)!r}))"
        case Segmented(path=path):
            return f"Segmented(Path({str(path)!r}))"
        case path:
            return f"Path({str(path)!r})"

"""Where a store is kept. A plain path is a SQLite database there.

A path whose chain was moved to segment files is known by their folder beside it, so that every
command finds the chain by the path alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_SEGMENTS: Final = ".chain"


@dataclass(frozen=True, slots=True)
class Segmented:
    """A SQLite database for what the service knows, and segment files for its audit chain."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Server:
    """A database of a PostgreSQL server.

    Attributes:
        dsn: how it is reached; holds a password, so it is never shown.
        path: beside which the files of this machine are kept, such as the noted head.
    """

    dsn: str = field(repr=False)
    path: Path

    def __str__(self) -> str:
        return "the PostgreSQL database"


Place = Path | Segmented | Server


def path_of(place: Place) -> Path:
    """The database's path, or that beside which a server's local files are kept."""
    return place if isinstance(place, Path) else place.path


def segments_of(path: Path) -> Path:
    """The folder of a database's segment files."""
    return path.with_name(f"{path.name}{_SEGMENTS}")

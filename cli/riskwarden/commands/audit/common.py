"""What the audit commands share: which database is meant, and how progress is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from risk_policy import UnsetVariableError
from risk_receivers.audit.canonical import LARGEST_INTEGER
from risk_receivers.audit.chain import Head
from risk_receivers.audit.note import NoteError, VerifierKey
from risk_receivers.database.place import Place
from riskwarden.commands.common import err, fail, is_file
from riskwarden.lenient import LenientPolicy

DatabaseOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--database", help="The audit database itself.", show_default=False),
]
#: Is told how many of how many are done.
Tell: TypeAlias = Callable[[int, int], None]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="As JSON.")]


def database_or_fail(database: Path | None, data: Path, policy: Path | None) -> Place:
    """The database that is meant, or the command ends."""
    try:
        place = database or LenientPolicy(policy).place(data)
    except UnsetVariableError as error:
        fail(f"alerting.audit.postgresql.dsn: {error}")
    if isinstance(place, Path) and not is_file(place):
        fail(
            f"{place}: no audit database, or not for you to read; name the data folder with --data"
        )
    return place


def head_or_fail(text: str | None, option: str = "--head") -> Head | None:
    """The head that somebody has kept, or the command ends."""
    try:
        return None if text is None else Head.parse(text)
    except ValueError as error:
        fail(f"{option} {text}: {error}, as riskwarden audit verify prints it")


def key_or_fail(text: str) -> VerifierKey:
    """A verifier key, or the one in the file that is named, or the command ends."""
    try:
        if "+" not in text or Path(text).is_file():
            text = Path(text).read_text()
        return VerifierKey.parse(text)
    except (OSError, UnicodeDecodeError, NoteError) as error:
        fail(f"--key {text.strip()}: {error}")


def record_or_fail(seq: int, place: Place) -> int:
    """A record's number, or the command ends: none is larger than what JSON holds exactly."""
    if seq > LARGEST_INTEGER:
        fail(f"{place}: there is no record {seq}", 1)
    return seq


@contextmanager
def progress_bar(*doing: str) -> Iterator[list[Tell]]:
    """Bars on standard error, one for each thing that is done."""
    with progress_bars() as bar_of:
        yield [bar_of(name) for name in doing]


@contextmanager
def progress_bars() -> Iterator[Callable[[str], Tell]]:
    """Makes bars on standard error, each by what is done, seen once that has begun.

    Where that is no terminal there are none.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    shown = Progress(
        *(*columns, TimeElapsedColumn()), console=err, transient=True, disable=not err.is_terminal
    )
    with shown as bars:

        def bar_of(name: str) -> Tell:
            task = bars.add_task(name, total=None, start=False, visible=False)

            def tell(done: int, total: int) -> None:
                bars.start_task(task)
                bars.update(task, completed=done, total=total, visible=True)

            return tell

        yield bar_of

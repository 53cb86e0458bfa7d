"""`riskwarden audit query`."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Annotated, Final

import typer

from risk_receivers.audit.browse import Browsed, backward, forward
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.audit.query import StoredEvent
from risk_receivers.audit.selection import Selection
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Place
from riskwarden.commands.audit import filters as by
from riskwarden.commands.audit import shown
from riskwarden.commands.audit.common import DatabaseOption, database_or_fail
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, out, warn

_LIMIT = 100
#: So many records in a row from more than a day before --since, and nothing in front of them is
#: looked at: whoever asks for the last hour must not wait for years. Records are in the order in
#: which they happened; only a clock that was behind for longer than that would hide one.
_LONG_AGO: Final = 10_000
_DAY: Final = timedelta(days=1)


def query(
    since: by.SinceOption = None,
    until: by.UntilOption = None,
    types: by.TypesOption = None,
    severity: by.SeveritiesOption = None,
    category: by.CategoriesOption = None,
    account: by.AccountsOption = None,
    actor: by.ActorsOption = None,
    alert: by.AlertsOption = None,
    text: by.TextOption = "",
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="At most so many, the latest; 0: all.")
    ] = _LIMIT,
    reverse: Annotated[bool, typer.Option("--reverse", help="The latest first.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As lines of JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, for people to read.")] = False,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: DatabaseOption = None,
) -> None:
    """Show records, the latest of those that every filter fits. An option may be given again.

    Exit code 0, or 1 if a record was met that is not what was written: it is named, not shown.
    """
    if as_json and as_csv:
        fail("--json and --csv exclude each other")
    selection = by.selection_or_fail(
        since, until, types, severity, category, account, actor, alert, text
    )
    reader = Reader(database_or_fail(database, data, policy), selection)
    found = _asked_for(reader, limit, reverse=reverse)
    if as_json:
        for event in found:
            typer.echo(shown.json_line(event))
    elif as_csv:
        shown.write_csv(sys.stdout, found)
    elif events := list(found):
        out.print(shown.table(events))
    else:
        out.print("no record fits")
    reader.finish()


def _asked_for(reader: Reader, limit: int, *, reverse: bool) -> Iterable[StoredEvent]:
    if not limit and (reverse or not reader.has_a_beginning):
        # However many there are, they are not held in memory.
        return reader.latest_first() if reverse else reader.oldest_first()
    found = list(itertools.islice(reader.latest_first(), limit + 1 if limit else None))
    if limit and len(found) > limit:
        found.pop()
        warn(f"these are the latest {limit}, there are more; --limit 0 shows all")
    return found if reverse else reversed(found)


class Reader:
    """Picks events out of a chain; names what is damaged, and counts what cannot be known."""

    def __init__(self, path: Place, selection: Selection) -> None:
        self._path = path
        self._selection = selection
        self._pruned = 0
        self._damaged = 0

    @property
    def has_a_beginning(self) -> bool:
        """Whether only records from some time on are asked for."""
        return self._selection.since is not None

    def latest_first(self) -> Iterator[StoredEvent]:
        """Those selected, or the command ends where the database cannot be read."""
        return self._chosen(self._since(backward(self._path)))

    def oldest_first(self) -> Iterator[StoredEvent]:
        """The same the other way round."""
        return self._chosen(forward(self._path))

    def chosen(self, one: Browsed) -> StoredEvent | None:
        """The event of a record if it is selected."""
        event = one.event
        if event is None:
            self._damaged += 1
            shown.damaged(one)
            return None
        if not self._selection.wants_header(event):
            return None
        if event.payload is None and self._selection.needs_payload:
            self._pruned += 1
        return event if self._selection.wants_payload(event.payload) else None

    def _chosen(self, records: Iterable[Browsed]) -> Iterator[StoredEvent]:
        try:
            for one in records:
                if event := self.chosen(one):
                    yield event
        except (UnreadableDatabaseError, *DATABASE_ERRORS) as error:
            fail(f"{self._path}: {error}")

    def _since(self, records: Iterable[Browsed]) -> Iterator[Browsed]:
        """The latest first, as long as some of them may have been recorded since then."""
        since, before = self._selection.since, 0
        for one in records:
            yield one
            if since is not None and one.event is not None:
                before = before + 1 if since - one.event.recorded_at > _DAY else 0
                if before >= _LONG_AGO:
                    return

    def finish(self) -> None:
        """Say what was not shown; the command ends with 1 if something was damaged."""
        if self._pruned:
            warn(
                f"{self._pruned} records of that time and type cannot be asked any more: retention "
                "has deleted what the other filters look at"
            )
        if self._damaged:
            fail(
                f"{self._path}: {self._damaged} records are not what was written; "
                "run riskwarden audit verify",
                1,
            )

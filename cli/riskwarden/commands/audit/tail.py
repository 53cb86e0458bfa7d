"""`riskwarden audit tail`."""

from __future__ import annotations

import itertools
import time
from typing import Annotated, Final

import typer

from risk_receivers.audit import query as stored
from risk_receivers.audit.browse import forward
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.database.connection import DATABASE_ERRORS
from riskwarden.commands.audit import filters as by
from riskwarden.commands.audit import shown
from riskwarden.commands.audit.common import DatabaseOption, database_or_fail
from riskwarden.commands.audit.query import Reader
from riskwarden.commands.common import (
    LATEST,
    DataOption,
    PolicyOption,
    fail,
    interruptible,
    warn,
)

#: New records are to be seen within a second.
_LOOK_SECONDS: Final = 0.25


def tail(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is recorded; ends on Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="The latest so many to begin with.")
    ] = 10,
    since: by.SinceOption = None,
    types: by.TypesOption = None,
    severity: by.SeveritiesOption = None,
    category: by.CategoriesOption = None,
    account: by.AccountsOption = None,
    actor: by.ActorsOption = None,
    alert: by.AlertsOption = None,
    text: by.TextOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="As lines of JSON.")] = False,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: DatabaseOption = None,
) -> None:
    """Show the latest records, a line each, and with -f those that follow.

    That a store was put back meanwhile, and now ends before what was shown, is said.
    """
    selection = by.selection_or_fail(
        since, None, types, severity, category, account, actor, alert, text
    )
    path = database_or_fail(database, data, policy)
    reader = Reader(path, selection)
    write = shown.json_line if as_json else shown.line
    try:
        # Where the chain ends now: what is recorded from here on is for following.
        end = stored.head(path).size
        latest = (event for event in reader.latest_first() if event.seq <= end)
        for event in reversed(list(itertools.islice(latest, lines))):
            typer.echo(write(event))
        if not follow:
            reader.finish()
            return
        with interruptible():
            while True:
                if (size := stored.head(path).size) < end:
                    warn(f"{path}: ends at record {size} now, and record {end} was there")
                    end = size
                for one in forward(path, end):
                    end = one.seq
                    if chosen := reader.chosen(one):
                        typer.echo(write(chosen))
                time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        reader.finish()
    except (UnreadableDatabaseError, *DATABASE_ERRORS) as error:
        fail(f"{path}: {error}")

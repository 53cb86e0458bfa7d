"""The filters of `audit query`, `tail` and `export`: their options, and what they select."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeAlias

import typer

from risk_policy.clock import utc_now
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.selection import Selection, UnknownTypeError, types_named
from riskwarden.commands.common import fail

_AGO: Final = re.compile(r"(\d{1,6})(s|m|h|d|w)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

SinceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help="From then on: 2h, 7d, or 2030-01-31T12:00 (UTC)."
    ),
]
UntilOption: TypeAlias = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Up to then, itself not included.")
]
TypesOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--type", metavar="TYPE", help="ALERT_CREATED, or several at once: alert, kill_switch."
    ),
]
SeveritiesOption: TypeAlias = Annotated[
    list[Severity] | None, typer.Option("--severity", help="Of this severity.")
]
CategoriesOption: TypeAlias = Annotated[
    list[Category] | None, typer.Option("--category", help="Of this category.")
]
AccountsOption: TypeAlias = Annotated[
    list[str] | None, typer.Option("--account", metavar="NAME", help="About this account.")
]
ActorsOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--actor", metavar="NAME", help="By whom: a name, USER, SYSTEM, RUNTIME."),
]
AlertsOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--alert", metavar="ALERT", help="drawdown/main, its incident or alert's name."),
]
TextOption: TypeAlias = Annotated[
    str, typer.Option("--text", help="Anywhere in the message, the reasons or the details.")
]


def selection_or_fail(
    since: str | None,
    until: str | None,
    types: Sequence[str] | None,
    severities: Sequence[Severity] | None,
    categories: Sequence[Category] | None,
    accounts: Sequence[str] | None,
    actors: Sequence[str] | None,
    alerts: Sequence[str] | None,
    text: str,
    *,
    first: int | None = None,
    last: int | None = None,
) -> Selection:
    """What the options select, or the command ends."""
    now = utc_now()
    begin, end = moment_or_fail("--since", since, now), moment_or_fail("--until", until, now)
    if begin and end and begin >= end:
        fail("--since is not before --until: nothing lies between them")
    return Selection(
        since=begin,
        until=end,
        first=first,
        last=last,
        types=types_or_fail(types),
        severities=frozenset(severities or ()),
        categories=frozenset(categories or ()),
        accounts=frozenset(accounts or ()),
        actors=frozenset(actors or ()),
        alerts=frozenset(alerts or ()),
        text=text,
    )


def types_or_fail(names: Sequence[str] | None) -> frozenset[str]:
    """The event types that are named, none if all are meant; or the command ends."""
    try:
        return frozenset[str]().union(*(types_named(name) for name in names or ()))
    except UnknownTypeError as error:
        fail(f"--type: {error}")


def moment_or_fail(option: str, text: str | None, now: datetime) -> datetime | None:
    """The time that an option names, if it is given; or the command ends."""
    if text is None:
        return None
    if found := _AGO.fullmatch(text.strip()):
        try:
            return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
        except OverflowError:
            fail(f"{option} {text}: is longer ago than there are dates")
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        fail(
            f"{option} {text}: is no time; write how long ago it is, like 30m, 2h or 7d, or "
            "2030-01-31, 2030-01-31T12:00, 2030-01-31T12:00+01:00"
        )
    # Records are in UTC, and the machine's own zone is nobody's who reads them elsewhere.
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        fail(f"{option} {text}: lies beyond the dates that there are, in UTC")

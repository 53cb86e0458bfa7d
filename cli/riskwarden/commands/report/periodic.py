"""`riskwarden report compliance | daily | weekly | sla`: what happened in a period."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from risk_policy.clock import utc_now
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.periodic.errors import PeriodError
from risk_receivers.periodic.kinds import KINDS
from risk_receivers.periodic.period import Period, moment
from risk_receivers.periodic.subject import gather
from risk_receivers.periodic.terms import Terms
from riskwarden.commands.audit.common import DatabaseOption, database_or_fail, progress_bars
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, policy_or_fail
from riskwarden.commands.report.common import FormOption, OutputOption, deliver, form_of
from riskwarden.stack.layout import Layout

_WHEN = "a day (its beginning), a time, or how long ago, like 24h, 7d or 2w"
SinceOption = Annotated[
    str | None, typer.Option("--since", help=f"From when on: {_WHEN}.", show_default=False)
]
UntilOption = Annotated[
    str | None,
    typer.Option("--until", help=f"Up to when, now unless given: {_WHEN}.", show_default=False),
]
PrometheusOption = Annotated[
    str | None,
    typer.Option(
        "--prometheus",
        metavar="URL",
        help="Who is asked what was measured; the stack's own unless given, nobody with ''.",
        show_default=False,
    ),
]


def _command(name: str, told: str) -> Callable[..., None]:
    def command(
        since: SinceOption = None,
        until: UntilOption = None,
        data: DataOption = LATEST,
        policy: PolicyOption = None,
        database: DatabaseOption = None,
        prometheus: PrometheusOption = None,
        form: FormOption = None,
        output: OutputOption = None,
    ) -> None:
        _report(name, since, until, data, policy, database, prometheus, form, output)

    command.__doc__ = told
    return command


compliance = _command(
    "compliance",
    """What an auditor asks of a period: totals, breaches, blocked trades, kills, integrity.

    Of the last 30 days unless a period is given; the whole chain is verified on the way.
    """,
)
daily = _command(
    "daily",
    """What the next shift has to know: open alerts, what fired, messages, restrictions, gaps.

    Of the last 24 hours unless a period is given.
    """,
)
weekly = _command(
    "weekly",
    """How accounts fared, which limits they met, and what has changed since the week before.

    Of the last 7 days unless a period is given.
    """,
)
sla = _command(
    "sla",
    """Service levels against the policy's objectives, with how many cases they rest on.

    Of the last 7 days unless a period is given.
    """,
)


def _report(
    name: str,
    since: str | None,
    until: str | None,
    data: Path,
    policy: Path | None,
    database: Path | None,
    prometheus: str | None,
    form: FormOption,
    output: Path | None,
) -> None:
    written_as = form_of(form, output)
    loaded = policy_or_fail(policy)
    path = database_or_fail(database, data, policy)
    signing_key = None if database else data / loaded.alerting.audit.signing.key_path
    kind, now = KINDS[name], utc_now()
    zone = loaded.alerting.reports.location
    try:
        end = now if until is None else moment(until, zone, now)
        start = end - kind.span if since is None else moment(since, zone, now)
        period = Period(start, end, zone)
    except PeriodError as error:
        fail(str(error))
    if prometheus is None:
        endpoints = Layout(data).read_endpoints() or loaded.alerting.endpoints
        prometheus = f"http://{endpoints.prometheus}"
    try:
        with progress_bars() as bar_of:
            bar = cache(bar_of)
            subject = gather(
                Terms.of(loaded),
                path,
                period,
                made_at=now,
                prometheus=prometheus,
                signing_key=signing_key,
                steps=lambda what, done, total: bar(what)(done, total),
            )
    except UnreadableDatabaseError as error:
        fail(str(error))
    deliver(kind.write(subject), written_as, output)

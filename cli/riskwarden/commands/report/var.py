"""`riskwarden report var`: was value at risk right?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from risk_exporter import ExporterError
from risk_exporter.days import DAYS_FILE, DayRecord, read_days
from risk_policy import Policy
from risk_policy.clock import utc_now
from risk_runtime.errors import RiskRuntimeError
from riskwarden.backtest.errors import BacktestInputError
from riskwarden.backtest.inputs import Book, read
from riskwarden.commands.audit.common import progress_bar
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, policy_or_fail
from riskwarden.commands.report.common import FormOption, OutputOption, deliver, form_of
from riskwarden.stack.layout import Layout
from riskwarden.var_backtest.document import About, document
from riskwarden.var_backtest.observations import observe
from riskwarden.var_backtest.replay import replayed_days
from riskwarden.var_backtest.verdict import judge

_CASH = Decimal(1_000_000)


def var(
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    exporter: Annotated[
        Path | None,
        typer.Option(
            "--exporter",
            help="The exporter's own folder; runtime/exporter in the data folder unless given.",
            show_default=False,
        ),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(
            "--prices",
            help="Replay prices or snapshots instead, in any form that backtest takes.",
            show_default=False,
        ),
    ] = None,
    bundled: Annotated[
        bool, typer.Option("--bundled", help="Replay the bundled prices of 2007-2009 instead.")
    ] = False,
    account: Annotated[
        str | None,
        typer.Option(
            "--account", help="Which account; needed if there are several.", show_default=False
        ),
    ] = None,
    level: Annotated[
        float | None,
        typer.Option(
            "--level",
            help="Level of confidence in percent, e.g. 99; the policy's, or the latest on record.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="First day, YYYY-MM-DD.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Last day, YYYY-MM-DD.", show_default=False)
    ] = None,
    form: FormOption = None,
    output: OutputOption = None,
) -> None:
    """Backtest value at risk: exceptions, Kupiec, Christoffersen, the Basel traffic light.

    From what the exporter has recorded at the end of every trading day, or from a replay.
    """
    written_as = form_of(form, output)
    if level is not None and not 50 <= level < 100:
        fail(f"--level {level:g} is no level of confidence; write percent from 50 to below 100")
    first, last = _day("--since", since), _day("--until", until)
    loaded = policy_or_fail(policy)
    if prices is not None and bundled:
        fail("--prices and --bundled are two histories; name one")
    try:
        if prices is not None or bundled:
            name, source, days = _replayed(loaded, prices, account or "main", level, last)
        else:
            name, source, days = _recorded(exporter or Layout(data).runtime / "exporter", account)
    except (BacktestInputError, RiskRuntimeError, ExporterError) as error:
        fail(str(error), 1)
    observed = observe(days, confidence_pct=level, since=first, until=last)
    about = About(name, source, utc_now(), loaded.digest)
    deliver(document(about, observed, judge(observed)), written_as, output)


def _recorded(folder: Path, account: str | None) -> tuple[str, str, list[DayRecord]]:
    try:
        known = sorted(path.parent.name for path in folder.glob(f"*/{DAYS_FILE}"))
    except OSError as error:
        fail(f"{folder}: {error.strerror}")
    if not folder.is_dir():
        fail(
            f"{folder}: no exporter has kept anything here; name the data folder with --data or "
            "the exporter's with --exporter, or replay with --bundled or --prices"
        )
    if account is None:
        if len(known) != 1:
            fail(f"{folder}: {_which(known)}")
        (account,) = known
    elif account not in known:
        fail(f"{folder}: no days of account {account} are on record; {_which(known)}")
    return account, f"days on record in {folder / account / DAYS_FILE}", read_days(folder / account)


def _which(known: list[str]) -> str:
    if not known:
        return "no trading day of any account has ended yet"
    return f"there is {', '.join(known)}; name one with --account"


def _replayed(
    policy: Policy, prices: Path | None, account: str, level: float | None, last: date | None
) -> tuple[str, str, list[DayRecord]]:
    source = read(prices, Book(account, _CASH), None, None, last)
    with progress_bar("replaying") as (progress,):
        days = replayed_days(policy, source, confidence_pct=level, progress=progress)
    return source.account, f"a replay of {source.name}", days


def _day(option: str, text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        fail(f"{option} {text!r} is no day; write YYYY-MM-DD")

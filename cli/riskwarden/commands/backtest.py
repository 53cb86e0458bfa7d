"""`riskwarden backtest [FILE]`: the policy replayed over history by Prometheus's own engine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from risk_exporter import ExporterError
from risk_policy import PolicyError
from risk_policy.contracts.snapshot import Identifier
from risk_rules import RulesError
from risk_runtime.errors import RiskRuntimeError
from riskwarden.backtest.document import document
from riskwarden.backtest.errors import BacktestInputError, PromtoolError
from riskwarden.backtest.inputs import Book, Kind, read
from riskwarden.backtest.page import page
from riskwarden.backtest.runs import Progress, Run, Wish
from riskwarden.backtest.runs import backtest as replay
from riskwarden.backtest.terminal import show
from riskwarden.commands.common import PolicyOption, err, fail, out, policy_or_fail

_FAILURES = (
    BacktestInputError, RiskRuntimeError, PromtoolError, RulesError, PolicyError, ExporterError,
)  # fmt: skip
_STEP = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def backtest(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="CSV of equity (date,equity) or prices (date,symbol,close; date,<ticker>,…; or as "
            "bundled), or JSONL of snapshots; the bundled book of 2007-2009 unless given.",
            show_default=False,
        ),
    ] = None,
    policy: PolicyOption = None,
    compare: Annotated[
        Path | None,
        typer.Option("--compare", help="Another policy, side by side.", show_default=False),
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option("--kind", help="What FILE holds; told by its header.", show_default=False),
    ] = None,
    step: Annotated[
        str | None,
        typer.Option(
            "--step",
            help="Wall time one row is worth, e.g. 1d, 5m or 167ms; the spacing of the rows unless "
            "given. A live replay of 6 days a second is 167ms.",
            show_default=False,
        ),
    ] = None,
    answered: Annotated[
        bool | None,
        typer.Option(
            "--answered/--unanswered",
            help="Whether somebody acknowledges every alert at once, so that none escalates by "
            "time; yes unless a row is shorter than the timers.",
            show_default=False,
        ),
    ] = None,
    resume_after: Annotated[
        str | None,
        typer.Option(
            "--resume-after",
            help="How long after its alert somebody resumes trading that waits for a person, e.g. "
            "1d; nobody does unless given.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            help="With prices: percent of equity per symbol, e.g. AAPL=30,GOOG=20; restored "
            "every 21 rows. The paper book's strategy unless given.",
            show_default=False,
        ),
    ] = None,
    cash: Annotated[
        float, typer.Option("--cash", min=1, help="With prices: what the account starts with.")
    ] = 1_000_000,
    account: Annotated[str, typer.Option("--account", help="What to call the account.")] = "main",
    start: Annotated[
        str | None, typer.Option("--start", help="First day, YYYY-MM-DD.", show_default=False)
    ] = None,
    end: Annotated[
        str | None, typer.Option("--end", help="Last day, YYYY-MM-DD.", show_default=False)
    ] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", help="Write everything as JSON.", show_default=False)
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one page.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="List every alert.")] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="promtool processes at a time.", show_default=False),
    ] = None,
) -> None:
    """Replay the policy over history: what would have fired, and what would have followed."""
    policies = [policy_or_fail(policy)]
    if compare is not None:
        policies.append(policy_or_fail(compare))
    wish = Wish(
        _seconds("--step", step),
        answered,
        workers or os.cpu_count() or 1,
        _seconds("--resume-after", resume_after),
    )
    try:
        book = Book(_account(account), Decimal(str(cash)), _weights(weights))
        source = read(path, book, kind, _day("--start", start), _day("--end", end))
        with _progress() as progress:
            runs = [replay(one, source, wish, progress) for one in policies]
    except _FAILURES as error:
        fail(str(error), 1)
    _write(as_json, html, runs)
    show(out, runs, everything=everything)


def _write(as_json: Path | None, html: Path | None, runs: list[Run]) -> None:
    try:
        if as_json is not None:
            as_json.write_text(document(runs), encoding="utf-8")
        if html is not None:
            html.write_text(page(runs), encoding="utf-8")
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", 1)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Bars on a terminal's standard error, gone when they are full; nothing elsewhere."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Bars(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        tasks = [bars.add_task(name, total=0) for name in ("measuring", "replaying")]

        def more(task: int, total: int) -> None:
            known = next(one for one in bars.tasks if one.id == tasks[task])
            bars.update(tasks[task], total=(known.total or 0) + total)

        yield Progress(
            measuring=lambda rows: more(0, rows),
            measured=lambda: bars.advance(tasks[0]),
            replaying=lambda evaluations: more(1, evaluations),
            replayed=lambda evaluations: bars.advance(tasks[1], evaluations),
        )


def _seconds(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    found = _STEP.fullmatch(text)
    if found is None or not (seconds := float(found[1]) * _UNITS[found[2]]):
        fail(f"{option} {text!r} is no time; write a number with ms, s, m, h or d, e.g. 5m")
    return seconds


def _account(text: str) -> str:
    try:
        return TypeAdapter(Identifier).validate_python(text)
    except ValidationError:
        fail(f"--account {text!r} is no account; letters, digits and ._:@+=- are")


def _day(option: str, text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        fail(f"{option} {text!r} is no day; write YYYY-MM-DD")


def _weights(text: str | None) -> dict[str, Decimal] | None:
    """Shares of equity; what is left is cash."""
    if text is None:
        return None
    weights: dict[str, Decimal] = {}
    for part in text.split(","):
        symbol, _, number = part.strip().partition("=")
        try:
            percent = Decimal(number)
        except InvalidOperation:
            percent = Decimal(0)
        if not symbol or symbol in weights or not percent.is_finite() or percent <= 0:
            fail(
                f"--weights {part!r} is no weight; write SYMBOL=PERCENT, each symbol once, "
                "e.g. AAPL=30,GOOG=20"
            )
        weights[symbol] = percent / 100
    return weights

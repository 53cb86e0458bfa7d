"""The verdict as one document: what would have fired, and what would have come of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from risk_policy.catalogue.limits import DRAWDOWN
from risk_policy.quantities import percent
from risk_policy.vocabulary import Severity
from risk_receivers.document.html import html
from risk_receivers.document.model import (
    Block,
    Bound,
    Cell,
    Document,
    Finding,
    Findings,
    Mark,
    Moment,
    Paragraph,
    Point,
    Preformatted,
    Section,
    Series,
    Table,
    TimeChart,
    Tone,
    Unit,
    tone_of,
)
from riskwarden.backtest import words
from riskwarden.backtest.runs import Run


def page(runs: Sequence[Run]) -> str:
    """The whole page."""
    return html(document(runs))


def document(runs: Sequence[Run]) -> Document:
    """All runs of a history, side by side and then one by one."""
    first = runs[0]
    rows = len(first.history.times)
    period = f"{words.moment(first, 0)} to {words.moment(first, rows - 1)}"
    meta = (
        ("Account", first.history.account),
        ("History", f"{rows} rows, {period}"),
        ("Alerts come from", "Prometheus's own engine on the generated rules"),
    )
    return Document(
        f"Backtest of {first.history.source}",
        meta,
        (_figures(runs), *(_section(run) for run in runs)),
    )


def _figures(runs: Sequence[Run]) -> Table:
    lines = zip(*(words.headline(run) for run in runs), strict=True)
    rows = [(line[0][0], *(value for _, value in line)) for line in lines]
    return Table.of("", ("", *(words.title(run) for run in runs)), rows)


def _section(run: Run) -> Section:
    notes = tuple(Finding(note, "", Tone.PLAIN) for note in words.notes(run))
    blocks: list[Block] = [
        Preformatted(f"policy sha256 {run.policy.digest}"),
        Findings(notes),
        _equity(run),
        _drawdown(run),
    ]
    if not run.verdict.episodes:
        return Section(words.title(run), (*blocks, Paragraph("Nothing would have fired.")))
    blocks.append(_counts(run))
    if run.verdict.gate:
        blocks.append(_uses(run))
    blocks.append(_episodes(run))
    return Section(words.title(run), tuple(blocks))


def _equity(run: Run) -> TimeChart:
    curve, with_ = run.verdict.curve.equity, run.verdict.curve_with
    lines = [Series("without the kill switch", _points(run, curve))]
    if with_ is not None:
        lines.append(Series("with it", _points(run, with_.equity)))
    return TimeChart("Equity", (*lines, *_marks(run, curve)), moments=_trips(run))


def _drawdown(run: Run) -> TimeChart:
    curve, with_ = run.verdict.curve, run.verdict.curve_with
    fall = [-value for value in curve.drawdown]
    lines = [Series("without the kill switch", _points(run, fall))]
    if with_ is not None:
        lines.append(Series("with it", _points(run, [-value for value in with_.drawdown])))
    deepest = -max(curve.worst_drawdown, 0.01)
    bounds = tuple(
        Bound(f"{spec.tier} {percent(bound)}", -bound, tone_of(Severity(spec.tier)))
        for spec in DRAWDOWN.alerts
        if -(bound := DRAWDOWN.bound(run.policy.number(spec.threshold))) >= deepest
    )
    series = (*lines, *_marks(run, fall))
    return TimeChart("Drawdown", series, bounds, _trips(run), Unit.RATIO)


def _points(run: Run, values: Iterable[float]) -> tuple[Point, ...]:
    return tuple(Point(at, value) for at, value in zip(run.history.times, values, strict=True))


def _marks(run: Run, values: Sequence[float]) -> list[Series]:
    """A dot on the curve where an alert began, the worst on top."""
    found: dict[Severity, list[Point]] = {}
    for episode in sorted(run.verdict.episodes, key=lambda one: one.severity.rank):
        what = f"{episode.alertname} {episode.risk_id}"
        if reached := words.worst(episode):
            what += f", worst {reached}"
        at = run.history.times[episode.began]
        found.setdefault(episode.severity, []).append(Point(at, values[episode.began], what))
    return [
        Series(f"{severity.value} alerts", tuple(points), dots=True, tone=tone_of(severity))
        for severity, points in found.items()
    ]


def _trips(run: Run) -> tuple[Moment, ...]:
    trip = run.verdict.trip
    if trip is None:
        return ()
    label = f"kill switch: {trip.alertname}"
    return (Moment(label, run.history.times[trip.row], Tone.EMERGENCY),)


def _counts(run: Run) -> Table:
    rows = [
        (
            _alert(count.alertname, Severity(count.severity)), str(count.fired), str(count.rows),
            str(count.escalated), str(count.false_alarms), words.moment(run, count.first_row),
        )
        for count in run.verdict.counts
    ]  # fmt: skip
    heads = ("alert", "fired", "rows", "escalated", "false alarms", "first")
    return Table.of("Alerts", heads, rows, numeric=(1, 2, 3, 4))


def _uses(run: Run) -> Table:
    all_rows = len(run.history.times)
    rows = [
        (
            use.action.value, words.doer(use), str(use.times), str(use.rows),
            f"{use.rows / all_rows:.0%}", words.moment(run, use.first_row), use.effect,
        )
        for use in run.verdict.gate
    ]  # fmt: skip
    heads = ("action", "by", "times", "rows", "share", "first", "what")
    title = "What the gate would have done, and people been asked for"
    return Table.of(title, heads, rows, numeric=(2, 3, 4))


def _episodes(run: Run) -> Table:
    rows = [
        (
            words.moment(run, episode.began), words.moment(run, episode.ended),
            _alert(episode.alertname, episode.severity), episode.risk_id,
            words.worst(episode), words.escalations(run, episode),
        )
        for episode in run.verdict.episodes
    ]  # fmt: skip
    return Table.of("Every alert", ("from", "to", "alert", "about", "worst", "escalated"), rows)


def _alert(name: str, severity: Severity) -> Cell:
    return Mark(name, tone_of(severity))

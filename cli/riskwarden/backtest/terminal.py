"""The verdict in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table

from riskwarden.backtest import words
from riskwarden.backtest.runs import Run

_SEVERITY_STYLE = {"warning": "yellow", "critical": "red", "emergency": "bold red"}
_LISTED = 40


def show(console: Console, runs: Sequence[Run], *, everything: bool) -> None:
    """Print all runs: figures side by side, then what each run's alerts were."""
    console.print(_figures(runs))
    for run in runs:
        console.print(_of_run(run, everything=everything))


def _figures(runs: Sequence[Run]) -> Table:
    history = runs[0].history
    table = Table(
        title=f"{escape(history.source)}: {len(history.times)} rows, "
        f"{words.moment(runs[0], 0)} to {words.moment(runs[0], len(history.times) - 1)}",
        title_justify="left",
    )
    table.add_column("")
    for run in runs:
        table.add_column(escape(words.title(run)), overflow="fold")
    for lines in zip(*(words.headline(run) for run in runs), strict=True):
        table.add_row(lines[0][0], *(escape(value) for _, value in lines))
    return table


def _of_run(run: Run, *, everything: bool) -> RenderableType:
    parts: list[RenderableType] = [f"\n[bold]{escape(words.title(run))}[/]"]
    parts += [f"[dim]{escape(note)}[/]" for note in words.notes(run)]
    if not run.verdict.episodes:
        return Group(*parts, "nothing would have fired")
    parts.append(_counts(run))
    if run.verdict.gate:
        parts.append(_gate(run))
    parts.append(_episodes(run, everything=everything))
    return Group(*parts)


def _counts(run: Run) -> Table:
    table = Table(title="alerts", title_justify="left")
    for column in ("alert", "fired", "rows", "escalated", "false alarms", "first"):
        table.add_column(column, justify="left" if column in ("alert", "first") else "right")
    for count in run.verdict.counts:
        style = _SEVERITY_STYLE.get(count.severity, "")
        table.add_row(
            f"[{style}]{count.alertname}[/]" if style else count.alertname,
            str(count.fired), str(count.rows), str(count.escalated), str(count.false_alarms),
            words.moment(run, count.first_row),
        )  # fmt: skip
    return table


def _gate(run: Run) -> Table:
    table = Table(title="the gate, and what people are asked for", title_justify="left")
    for column in ("action", "by", "times", "rows", "share", "first", "what is done"):
        table.add_column(
            column, justify="right" if column in ("times", "rows", "share") else "left"
        )
    for use in run.verdict.gate:
        share = f"{use.rows / len(run.history.times):.0%}"
        table.add_row(
            use.action.value, words.doer(use), str(use.times), str(use.rows), share,
            words.moment(run, use.first_row), use.effect,
        )  # fmt: skip
    return table


def _episodes(run: Run, *, everything: bool) -> Table:
    found = run.verdict.episodes
    listed = found if everything else found[:_LISTED]
    left = len(found) - len(listed)
    table = Table(
        title="every alert" if not left else f"the first {len(listed)} alerts",
        title_justify="left",
        caption=f"{left} more: --all lists them, --json and --html hold them" if left else None,
        caption_justify="left",
    )
    for column in ("from", "to", "alert", "about", "worst", "escalated"):
        table.add_column(column)
    for episode in listed:
        style = _SEVERITY_STYLE.get(episode.severity.value, "")
        table.add_row(
            words.moment(run, episode.began), words.moment(run, episode.ended),
            f"[{style}]{episode.alertname}[/]" if style else episode.alertname,
            escape(episode.risk_id), words.worst(episode), words.escalations(run, episode),
        )  # fmt: skip
    return table

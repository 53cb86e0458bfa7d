"""What the terminal shows of a running stack: live on a terminal, line by line elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from risk_policy.catalogue.limits import DRAWDOWN
from risk_policy.vocabulary import Severity
from riskwarden.stack.stack import Stack
from riskwarden.stack.story import Line, Milestone, Story

STYLES: Final = {
    Severity.DEBUG: "dim",
    Severity.INFO: "",
    Severity.WARNING: "yellow",
    Severity.CRITICAL: "red",
    Severity.EMERGENCY: "bold white on red",
}
_BAR_CELLS: Final = 48
_ROWS_OF_ALERTS: Final = 10
_ROWS_OF_LOG: Final = 12


def drawdown_bar(story: Story) -> Text:
    """A bar from 0 to a little beyond the worst threshold, with a mark at every tier."""
    marks = {
        DRAWDOWN.bound(story.policy.number(spec.threshold)): STYLES[spec.severity]
        for spec in DRAWDOWN.alerts
    }
    full = max(marks) * 1.25
    value = story.day.drawdown_ratio
    colour = "green"
    for bound, style in sorted(marks.items()):
        if value > bound:
            colour = style
    cells = {round(bound / full * _BAR_CELLS): bound for bound in marks}
    bar = Text()
    for cell in range(_BAR_CELLS):
        if cell in cells:
            bar.append("│", style=f"bold {marks[cells[cell]]}")
        elif cell < value / full * _BAR_CELLS:
            bar.append("█", style=colour.replace("bold white on red", "red"))
        else:
            bar.append("·", style="dim")
    bar.append(f" {value:6.1%}", style=colour)
    return bar


def _book(story: Story) -> RenderableType:
    day = story.day
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column()
    table.add_row("market", day.market_date or "waiting for Prometheus' first scrape")
    table.add_row(
        "equity",
        f"{day.equity:,.0f}   peak {day.peak:,.0f}   day {day.daily_pnl_ratio:+.1%}"
        f"   invested {day.gross_ratio:.0%}",
    )
    table.add_row("drawdown", drawdown_bar(story))
    table.add_row("book", f"{day.positions_open} positions, {day.orders_working} orders working")
    gate = Text(no_wrap=True, overflow="ellipsis")
    gate.append(day.gate, style="bold green" if day.gate == "open" else "bold white on red")
    if story.kill:
        gate.append(f"  {story.kill}", style="red")
    table.add_row("gate", gate)
    return table


def _alerts(story: Story) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    worst = sorted(story.active.values(), key=lambda alert: (-alert.severity.rank, alert.since))
    for alert in worst[:_ROWS_OF_ALERTS]:
        style = STYLES[alert.severity]
        table.add_row(
            Text(alert.severity.upper(), style=style),
            Text(alert.name, style=style),
            Text(alert.risk_id, style="dim"),
        )
    if not worst:
        table.add_row(Text("none", style="green"))
    elif len(worst) > _ROWS_OF_ALERTS:
        table.add_row(Text(f"and {len(worst) - _ROWS_OF_ALERTS} milder", style="dim"))
    return table


def _log(story: Story) -> RenderableType:
    lines = list(story.log)[-_ROWS_OF_LOG:]
    return Group(*(log_line(line) for line in lines))


def log_line(line: Line) -> Text:
    """One line of the log, with the wall clock in UTC."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{line.at.astimezone(UTC):%H:%M:%S.%f}"[:-3] + "Z  ", style="dim")
    text.append(line.text, style=STYLES[line.severity])
    return text


def links(stack: Stack) -> Text:
    """Where to look."""
    people = f"console {stack.url('receivers')}/  metrics {stack.url('exporter')}/metrics"
    servers = (
        f"Prometheus {stack.url('prometheus')}/alerts  Alertmanager {stack.url('alertmanager')}"
    )
    return Text(f"{people}\n{servers}", style="dim")  # a line of each fits into 80 columns


def render(story: Story, stack: Stack) -> RenderableType:
    """The whole screen."""
    return Group(
        Panel(_book(story), title="Riskwarden  paper book, real prices", title_align="left"),
        Panel(_alerts(story), title="active alerts", title_align="left"),
        Panel(
            _log(story), title=f"log  audit chain: {story.chain_size} events", title_align="left"
        ),
        links(stack),
        Text(f"data in {stack.layout.root}; Ctrl-C stops everything", style="dim"),
    )


def timeline(story: Story) -> Table:
    """From breach to flat, with the real delays."""
    explained = {
        Milestone.BREACH: "equity crossed the threshold",
        Milestone.FIRED: "Prometheus scraped, evaluated",
        Milestone.RECORDED: "in the audit chain, fsynced",
        Milestone.GATE_CLOSED: "seen by the runtime",
        Milestone.FLAT: "closed, confirmed, on record",
    }
    if story.raised_by:
        explained[Milestone.FIRED] = f"raised by the {story.raised_by}"
        explained[Milestone.PROMETHEUS] = "scraped, evaluated, fired too"
    seen = [milestone for milestone in explained if milestone in story.milestones]
    table = Table(title="breach to flat", title_justify="left", box=box.SIMPLE)
    for heading in ("step", "at (UTC)", "took", "since breach", "what happened"):
        numeric = heading in ("took", "since breach")
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    start = before = story.milestones[Milestone.BREACH]
    for milestone in sorted(seen, key=story.milestones.__getitem__):
        at = story.milestones[milestone]
        table.add_row(
            milestone,
            f"{at.astimezone(UTC):%H:%M:%S.%f}"[:-3],
            _delay(at - before),
            _delay(at - start),
            explained[milestone],
        )
        before = at
    return table


def _delay(delta: timedelta) -> str:
    return f"{delta.total_seconds() * 1000:,.0f} ms"


class Screen:
    """Shows a story: redrawn in place on a terminal, as log lines elsewhere."""

    def __init__(self, console: Console, story: Story, stack: Stack) -> None:
        self._console = console
        self._story = story
        self._stack = stack
        self._told = 0
        self._told_date = ""
        self._live = (
            Live(console=console, auto_refresh=False, transient=False)
            if console.is_terminal
            else None
        )

    def update(self) -> None:
        """Show what is new."""
        if self._live is not None:
            self._live.update(render(self._story, self._stack), refresh=True)
            return
        fresh = self._story.lines_told - self._told
        self._told = self._story.lines_told
        for line in list(self._story.log)[-fresh:] if fresh else ():
            self._console.print(log_line(line), soft_wrap=True)
        month = self._story.day.market_date[:7]
        if month != self._told_date:
            self._told_date = month
            day = self._story.day
            now = f"{datetime.now(UTC):%H:%M:%S.%f}"[:-3]
            self._console.print(
                f"{now}Z  {day.market_date}  equity {day.equity:,.0f}  "
                f"drawdown {day.drawdown_ratio:.1%}  gate {day.gate}",
                style="dim",
                soft_wrap=True,
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

"""Weekly business: how accounts fared, which limits they met, and what has changed since."""

from __future__ import annotations

from collections import Counter

from risk_policy.quantities import percent
from risk_receivers.document.model import (
    Block,
    Document,
    Paragraph,
    Section,
    Series,
    Table,
    TimeChart,
    Tone,
    Unit,
)
from risk_receivers.periodic import parts, tables
from risk_receivers.periodic.advice import advice
from risk_receivers.periodic.figures import Totals
from risk_receivers.periodic.measured import Extreme
from risk_receivers.periodic.subject import Subject

_MOST_FREQUENT = 15
_UNKNOWN = "no data"


def weekly(subject: Subject) -> Document:
    """The report on a week, or on whatever time it is asked for."""
    now, before = subject.totals, subject.totals_before
    return parts.document(
        "Weekly Business Report",
        subject,
        parts.headline(
            parts.compared(subject, "Alerts", now.alerts, before.alerts),
            parts.compared(subject, "Critical", now.critical, before.critical, Tone.CRITICAL),
            parts.compared(subject, "Emergency", now.emergency, before.emergency, Tone.EMERGENCY),
            parts.compared(subject, "Trades blocked", now.blocked, before.blocked),
            parts.compared(subject, "Kill switch", now.kills, before.kills, Tone.EMERGENCY),
        ),
        *advice(subject),
        Section("Accounts", _accounts(subject)),
        Section("Trends", (_trends(now, before, subject), parts.activity(subject))),
        Section(
            "Limit breaches", (_breaches(subject), tables.alert_groups(subject, _MOST_FREQUENT))
        ),
        Section("By category", parts.distribution(subject)),
        Section("Kill switch", (tables.kills(subject),)),
        Section("Restrictions at the gate", (tables.restrictions(subject),)),
        Section("Trades blocked", (tables.blocked_groups(subject),)),
        Section("Service levels", (tables.levels_table(subject.levels),)),
        Section("Drills", (tables.drills(subject),)),
    )


def _accounts(subject: Subject) -> tuple[Block, ...]:
    measured = subject.measured
    if measured.problem:
        return (Paragraph(f"{measured.problem}."),)
    if not measured.accounts:
        return (Paragraph("No data: Prometheus has measured no account in this period."),)
    unknown = Extreme()
    rows = []
    for account in measured.accounts:
        equity = measured.equity.get(account, unknown)
        pnl = measured.daily_pnl.get(account, unknown)
        drawdown = measured.drawdown.get(account, unknown)
        covered = measured.covered.get(account)
        rows.append(
            (
                account,
                _money(equity.latest),
                f"{_money(equity.lowest)} to {_money(equity.highest)}",
                _ratio(pnl.lowest),
                _ratio(pnl.highest),
                _ratio(drawdown.highest),
                _ratio(drawdown.latest),
                _ratio(covered),
            )
        )
    heads = (
        "Account", "Equity", "From lowest to highest", "Worst day", "Best day", "Deepest drawdown",
        "Drawdown now", "Time measured",
    )  # fmt: skip
    lines = tuple(Series(name, line) for name, line in sorted(measured.drawdown_line.items()))
    equity_lines = tuple(Series(name, line) for name, line in sorted(measured.equity_line.items()))
    return (
        Table.of("", heads, rows, numeric=tuple(range(1, 8))),
        TimeChart("Equity", equity_lines),
        TimeChart("Drawdown", lines, unit=Unit.RATIO),
    )


def _trends(now: Totals, before: Totals, subject: Subject) -> Table:
    names = {
        "alerts": "Alerts",
        "critical": "Critical alerts",
        "emergency": "Emergency alerts",
        "escalations": "Escalations",
        "expired": "Alerts that expired",
        "acks": "Acknowledgements",
        "blocked": "Trades blocked",
        "restrictions": "Restrictions",
        "kills": "Kill switch activations",
        "given_up": "Messages given up",
        "refused_access": "Refused attempts",
    }
    rows = []
    for name, label in names.items():
        this, last = getattr(now, name), getattr(before, name)
        compared = (f"{last:,}", f"{this - last:+,}") if subject.knows_before else ("–", "–")
        rows.append((label, f"{this:,}", *compared))
    title = "" if subject.knows_before else "The period before is not on record as a whole"
    heads = ("", "This period", "The one before", "Change")
    return Table.of(title, heads, rows, numeric=(1, 2, 3))


def _breaches(subject: Subject) -> Table:
    counts: Counter[tuple[str, str]] = Counter(
        (one.account or "–", one.tier)
        for one in subject.told.alerts_in(subject.period)
        if one.is_breach
    )
    accounts = sorted({account for account, _ in counts})
    tiers = ("warning", "critical", "emergency")
    rows = [(account, *(str(counts[account, tier]) for tier in tiers)) for account in accounts]
    heads = ("Account", "Warning", "Critical", "Emergency")
    return Table.of(
        "Thresholds crossed, by account and tier",
        heads,
        rows,
        numeric=(1, 2, 3),
        empty="no threshold was crossed",
    )


def _ratio(value: float | None) -> str:
    return _UNKNOWN if value is None else percent(value + 0.0)  # no minus before nothing


def _money(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:,.2f}"

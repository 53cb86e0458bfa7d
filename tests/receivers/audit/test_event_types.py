"""The table of event types says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.model.audit import AuditRetention

TABLE = Path(__file__).parents[3] / "docs" / "audit_events.md"
ROW = re.compile(r"\| `([A-Z_]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|")


def test_every_type_stands_in_the_table_once_in_its_order_with_how_long_it_is_kept() -> None:
    rows = ROW.findall(TABLE.read_text())
    retention = AuditRetention()
    days = {kind: retention.days_for(kind) for kind in EventType}
    assert [(name, kept) for name, _, _, kept in rows] == [
        (kind.value, f"{days[kind]} days" if days[kind] else "for ever") for kind in EventType
    ]


def test_every_row_says_when_and_who() -> None:
    for name, when, who, _ in ROW.findall(TABLE.read_text()):
        assert len(when.split()) > 2, name
        words = set(re.split(r", | or ", who))
        assert words <= {actor.value for actor in ActorType}, name


def test_every_type_is_written_by_some_part_of_the_program() -> None:
    """A row of the table that nothing writes would promise a record that nobody ever finds."""
    root = Path(__file__).parents[3]
    named = set()
    for part in (root / "receivers" / "risk_receivers", root / "cli/riskwarden/commands"):
        for path in part.rglob("*.py"):
            named |= set(re.findall(r"EventType\.([A-Z_]+)\b", path.read_text(encoding="utf-8")))
    assert {kind.name for kind in EventType} - named == set()

"""What is on record and matters to an auditor stands in the compliance report, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from told_chain import DAY, Desk

from risk_policy.contracts.audit import EventType
from risk_receivers.document.markdown import markdown
from risk_receivers.periodic.history import _Telling
from risk_receivers.periodic.kinds import KINDS
from risk_receivers.periodic.noted import NOTED
from risk_receivers.periodic.subject import Subject

Gather = Callable[..., Subject]
E = EventType
#: Counted, and told by what they belong to: a message, an alert, a kill, a step towards another.
BY_ANOTHER = {
    E.ALERT_DEESCALATED, E.ALERT_COMMENTED, E.THRESHOLD_BREACHED, E.NOTIFICATION_FAILED_OVER,
    E.NOTIFICATION_RESENT, E.NOTIFICATION_DISMISSED, E.CHANNEL_TESTED,
    E.KILL_SWITCH_LOOSENING_ASKED, E.RESTRICTION_RESUME_ASKED, E.HIGH_WATER_MARK_RESET_ASKED,
    E.REPORT_WRITTEN, E.SESSION_BEGAN, E.SESSION_ENDED, E.STORM_BEGAN, E.STORM_ENDED,
    E.SERVICE_STARTED, E.DRILL_STARTED,
}  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "audit.db")


def test_every_event_of_note_stands_in_the_compliance_report(desk: Desk, gathered: Gather) -> None:
    for number, name in enumerate(sorted(NOTED), 1):
        desk.event("10:00:00", EventType(name), f"event number {number}.", by="olga")
    desk.stop()
    said = markdown(KINDS["compliance"].write(gathered(desk.database)))
    for number, name in enumerate(sorted(NOTED), 1):
        assert (
            f"| {number} | 2026-03-02 10:00:00 | {name} | olga | event number {number}. |" in said
        )


def test_no_type_of_event_is_passed_over_by_accident() -> None:
    """One that is new belongs to something here, or is named above."""
    told = {EventType(name) for name in (*_Telling(DAY)._handlers, *NOTED)}
    assert told | BY_ANOTHER == set(EventType)
    assert not told & BY_ANOTHER

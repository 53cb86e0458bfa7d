"""A digest names everything, in as many parts as it takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from risk_policy.vocabulary import Severity
from risk_receivers.quiet.decision import Reason
from risk_receivers.quiet.digest import Waiting, digest_of
from risk_receivers.templating.words import LONGEST

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def waiting(number: int, severity: Severity = Severity.WARNING, **more: Any) -> Waiting:
    values: dict[str, Any] = {
        "number": number, "risk_id": f"loss/{number}", "tier": "warning", "episode": 1,
        "alertname": "LOSS", "severity": severity, "reason": Reason.STORM,
        "at": NOW - timedelta(seconds=42), "state": "DISPATCHED",
    }  # fmt: skip
    return Waiting(**(values | more))


def test_it_counts_and_puts_the_worst_first() -> None:
    digest = digest_of(
        [
            waiting(1),
            waiting(2, Severity.CRITICAL, state="RESOLVED", alertname="BAD"),
            waiting(3, Severity.CRITICAL, alertname="BAD"),
            waiting(4, risk_id="loss/1"),
            waiting(5, Severity.INFO, state="EXPIRED"),
        ],
        NOW,
    )
    assert digest.summary == "5 more of 4 incidents in the last 42 s: 2 critical, 1 warning, 1 info"
    assert digest.severity is Severity.CRITICAL
    (part,) = digest.parts
    assert part.split("\n") == [
        "- CRITICAL BAD, fires: loss/3",
        "- CRITICAL BAD, over: loss/2",
        "- WARNING LOSS, fires: loss/1 (2 messages)",
        "- INFO LOSS, no longer repeated, and nobody said that it is over: loss/5",
    ]


def test_a_thousand_incidents_are_all_named_and_no_part_is_cut() -> None:
    digest = digest_of([waiting(number) for number in range(1000)], NOW)
    assert all(len(part) < LONGEST - 500 for part in digest.parts)
    named = " ".join(digest.parts).replace(",", " ").split()
    assert {f"loss/{number}" for number in range(1000)} <= set(named)
    assert len(digest.parts) < 6
    assert all(part.startswith("- WARNING LOSS, fires: loss/") for part in digest.parts)


def test_no_name_can_pass_for_a_line_or_fill_a_message() -> None:
    odd = [
        waiting(1, risk_id="a\n- EMERGENCY ALL, over: b"),
        waiting(2, risk_id="x" * 9000, alertname="y" * 9000),
    ]
    digest = digest_of(odd, NOW)
    assert all(line.startswith("- WARNING") for part in digest.parts for line in part.split("\n"))
    assert all(len(part) < LONGEST - 500 for part in digest.parts)

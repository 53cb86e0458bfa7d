"""Changes of the configuration are on record with before and after, and never with a secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from writers import started

from risk_policy import Policy
from risk_policy.contracts.audit import EventType
from risk_policy.loader import parse_policy
from risk_receivers.audit.query import events
from risk_receivers.config_changes import RulesWatch, record_policy

WEBHOOK = """
[alerting.channels.email]
enabled = true
smtp_host = "${SMTP_HOST}"
username = "${SMTP_USER}"
password = "${SMTP_PASSWORD}"
from_address = "risk@example.org"
to_addresses = ["desk@example.org"]
"""
PLANTED = {
    "SMTP_HOST": "planted-host.example.org",
    "SMTP_USER": "planted-user",
    "SMTP_PASSWORD": "planted-password",
}


class Desk:
    def __init__(self, folder: Path) -> None:
        self.database = folder / "audit.db"
        self.writer = started(self.database)

    def start_on(self, policy: Policy) -> None:
        self.writer.run(lambda transaction: record_policy(transaction, policy), 10)

    def changes(self) -> list[Any]:
        self.writer.run(lambda _: None, 10)  # what was submitted before it is done
        found = events(self.database)
        assert {event.event_type for event in found} <= {EventType.CONFIG_CHANGED}
        return [event.payload for event in found]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.writer.stop()


def policy_of(text: str) -> Policy:
    return parse_policy(text.encode(), environ=PLANTED)


def test_the_keys_that_changed_are_named_with_both_values(desk: Desk) -> None:
    desk.start_on(policy_of("[alerting.limits]\nposition_max_pct = 20\n"))
    desk.start_on(policy_of("[alerting.limits]\nposition_max_pct = 25\nvar_max_pct = 3\n"))
    (change,) = desk.changes()
    assert change.details["changed"]["alerting.limits.position_max_pct"] == {
        "before": "20.0",
        "after": "25.0",
    }
    assert "alerting.limits.position_max_pct 20.0 -> 25.0" in change.message
    assert change.details["part"] == "receivers"


def test_a_comment_changes_the_digest_and_no_value(desk: Desk) -> None:
    desk.start_on(policy_of(""))
    desk.start_on(policy_of("# hello\n"))
    (change,) = desk.changes()
    assert change.details["changed"] == {}
    assert "no value is another" in change.message


def test_the_same_policy_again_is_no_change(desk: Desk) -> None:
    for _ in range(3):
        desk.start_on(policy_of(""))
    assert desk.changes() == []


def test_what_variables_hold_is_never_on_record(desk: Desk) -> None:
    desk.start_on(policy_of(""))
    desk.start_on(policy_of(WEBHOOK))
    (change,) = desk.changes()
    changed = change.details["changed"]
    assert changed["alerting.channels.email.username"]["after"] == '"${SMTP_USER}"'
    assert changed["alerting.channels.email.password"]["after"] == '"${SMTP_PASSWORD}"'
    data = b"".join(path.read_bytes() for path in desk.database.parent.iterdir())
    assert b"planted" not in data


# -- the rules of Prometheus -----------------------------------------------------------------


class Uptime:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_other_rules_are_one_change_however_often_they_are_heard(desk: Desk) -> None:
    uptime = Uptime()
    watch = RulesWatch(desk.writer, uptime)
    for digest in ("a" * 64, "a" * 64, "b" * 64, "b" * 64):
        uptime.seconds += 3
        watch.hear(digest)
    (change,) = desk.changes()
    assert change.details == {"part": "rules", "before": "a" * 64, "after": "b" * 64}


def test_servers_that_differ_for_a_while_are_one_change(desk: Desk) -> None:
    uptime = Uptime()
    watch = RulesWatch(desk.writer, uptime)
    for digest in ("a" * 64, *["a" * 64, "b" * 64] * 20, *["b" * 64] * 30):
        uptime.seconds += 3
        watch.hear(digest)
    assert len(desk.changes()) == 1
    watch.hear("a" * 64)
    assert [change.details["after"] for change in desk.changes()] == ["b" * 64, "a" * 64]


def test_a_restart_forgets_nothing(desk: Desk) -> None:
    RulesWatch(desk.writer).hear("a" * 64)
    RulesWatch(desk.writer).hear("a" * 64)
    assert desk.changes() == []
    RulesWatch(desk.writer).hear("b" * 64)
    assert len(desk.changes()) == 1


def test_what_is_no_digest_is_no_change(desk: Desk) -> None:
    watch = RulesWatch(desk.writer)
    for text in ("", "a" * 63, "A" * 64, "secret"):
        watch.hear(text)
    assert desk.changes() == []

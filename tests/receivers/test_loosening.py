"""Loosening the kill switch on record: what is asked, confirmed and refused, and what still fires.

Straight at the store, without a service around it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
from writers import writing

from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.vocabulary import KillMode, Severity
from risk_receivers.audit.query import events
from risk_receivers.channels.outbox import Outbox
from risk_receivers.kill import journal
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.clearing import Change, Codes, Request, What
from risk_receivers.kill.journal import Witness
from risk_receivers.kill.loosening import Loosening, Step, firing
from risk_receivers.kill.second_factor import WRONG_CODE, SecondFactor
from risk_receivers.kill.switch import Phase, Trigger
from risk_receivers.kill.time_codes import TimeCodes
from risk_receivers.store.writer import Transaction, Writer

TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
MAIN = Scope(account="main")


class Desk:
    """Somebody at the switch of a store of its own."""

    def __init__(self, writer: Writer, path: Path) -> None:
        self.writer = writer
        self.path = path
        self.seen: dict[str, Any] = {"blind": "", "unrecorded": False}
        self.loosening = self.asking(SecondFactor())

    def asking(self, second: SecondFactor) -> Loosening:
        return Loosening(Outbox({"mail": Severity.DEBUG}), Codes(60), second)

    def do(self, work: Callable[[Transaction], Any]) -> Any:
        return self.writer.run(work, 10)

    def trip(self, kill_id: str = "k1", scope: Scope = MAIN) -> None:
        def work(transaction: Transaction) -> None:
            trigger = Trigger(
                *(f"operator:{kill_id}", kill_id, KillMode.IMMEDIATE, "a test", "operator"),
                transaction.now,
                scope=scope,
            )
            journal.pull(transaction, trigger, Witness())

        self.do(work)

    def step(self, what: What, kill_id: str, code: str = "", totp: str = "") -> Step:
        return Step(Request(what, kill_id, "ann", "it is over"), code, "::1", "desk", totp)

    def ask(self, what: What = What.CLEAR, kill_id: str = "k1") -> tuple[Change, str]:
        step = self.step(what, kill_id)
        found: tuple[Change, str] = self.do(lambda t: self.loosening.ask(t, step, **self.seen))
        return found

    def confirm(
        self, code: str, what: What = What.CLEAR, kill_id: str = "k1", totp: str = ""
    ) -> Change:
        step = self.step(what, kill_id, code, totp)
        change: Change = self.do(lambda t: self.loosening.confirm(t, step, **self.seen))
        return change

    def arm(self) -> Change:
        change: Change = self.do(lambda t: self.loosening.arm(t, self.step(What.CLEAR, "")))
        return change

    @property
    def board(self) -> KillBoard:
        board: KillBoard = self.do(lambda transaction: journal.load(transaction.connection))
        return board

    @property
    def last(self) -> Any:
        """What the newest record tells."""
        event = events(self.path, 0, 1000)[-1]
        assert event.payload is not None
        return event

    def messages(self) -> list[dict[str, Any]]:
        rows = self.do(lambda t: t.connection.execute("SELECT body FROM message").fetchall())
        return [json.loads(body) for (body,) in rows]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    path = tmp_path / "audit.db"
    with writing(path) as writer:
        yield Desk(writer, path)


def details(**changes: Any) -> dict[str, Any]:
    return {
        "kill_id": "k1", "scope": "account=main", "address": "::1", "token": "desk",
        "state": "CLOSING", "mode": "immediate", "waiting_for_accounts": ["main"], **changes,
    }  # fmt: skip


def test_both_steps_of_a_clearing_are_on_record_and_people_are_told(desk: Desk) -> None:
    desk.trip()
    change, code = desk.ask()
    assert (change, bool(code)) == (Change(), True)
    asked = desk.last
    assert asked.event_type == "KILL_SWITCH_LOOSENING_ASKED"
    assert asked.payload.message == "ann asked to clear kill k1 (covers account=main): it is over"
    said = details(state=asked.payload.details["state"])
    assert asked.payload.details == said
    assert asked.payload.action_taken == "a confirmation is awaited"
    assert desk.board.with_id("k1")

    done = desk.confirm(code)
    assert (done.refusal, done.messages) == ("", 1)
    assert done.state is not None
    assert not done.state.in_force
    assert not desk.board.in_force
    cleared = desk.last
    assert cleared.event_type == "KILL_SWITCH_CLEARED"
    assert cleared.payload.details == said
    assert (cleared.payload.severity, cleared.payload.category) == ("warning", "kill_switch")
    assert cleared.payload.message.startswith("kill switch for account=main cleared: ")
    assert cleared.payload.message.endswith(", by operator ann: it is over")
    said_of = (cleared.payload.actor_type, cleared.payload.actor_id, cleared.payload.action_reason)
    assert said_of == ("USER", "ann", "it is over")
    assert cleared.payload.action_taken == "cleared"
    (told,) = desk.messages()
    assert told["title"] == "KILL SWITCH CLEARED"
    assert told["text"] == cleared.payload.message
    assert (told["kind"], told["severity"]) == ("kill_switch_changed", "warning")
    assert (told["audit_seq"], told["subject"], told["about"]) == (cleared.seq, "k1", "CLEARED")

    again = desk.confirm(code)
    assert "used" in again.refusal
    refused = desk.last
    assert refused.event_type == "KILL_SWITCH_LOOSENING_REFUSED"
    assert refused.payload.message == f"ann was refused to clear kill k1: {again.refusal}"
    assert refused.payload.details == details(
        scope="*", state="ARMED", mode="", waiting_for_accounts=[],
        refusal=again.refusal, confirming=True,
    )  # fmt: skip
    assert refused.payload.action_taken == "refused"


@pytest.mark.parametrize(
    ("seen", "kill_id", "why"),
    [
        ({"blind": "Prometheus is away"}, "k1", "nobody can tell .*: Prometheus is away"),
        ({"unrecorded": True}, "k1", "a trip is not on record yet"),
        ({}, "k2", "kill_id must be k1"),
        ({}, "", "kill_id must be k1"),
    ],
)
def test_what_stands_against_it_is_on_record_and_changes_nothing(
    desk: Desk, seen: dict[str, Any], kill_id: str, why: str
) -> None:
    desk.trip()
    code = desk.ask()[1]
    desk.seen |= seen
    change, nothing = desk.ask(kill_id=kill_id)
    assert (change.state, nothing) == (None, "")
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(change.refusal)
    assert desk.last.payload.details["refusal"] == change.refusal
    assert desk.last.payload.details["confirming"] is False
    assert f"refused to clear kill {kill_id or '(none)'}" in desk.last.payload.message
    if seen:
        assert desk.confirm(code).refusal == change.refusal
    assert desk.board.with_id("k1")
    desk.seen = {"blind": "", "unrecorded": False}
    assert desk.confirm(code).refusal == "", "the code is still good"


def test_without_the_authenticators_code_nothing_is_cleared(desk: Desk) -> None:
    desk.loosening = desk.asking(SecondFactor(TimeCodes(TOTP)))
    desk.trip()
    code = desk.ask()[1]
    for _ in range(5):
        assert desk.confirm(code).refusal == WRONG_CODE
    assert "unknown" in desk.confirm(code).refusal, "five wrong ones void it"
    assert desk.board.in_force
    code = desk.ask()[1]
    assert desk.confirm(code, totp=pyotp.TOTP(TOTP).now()).refusal == ""
    assert not desk.board.in_force


def test_it_is_disarmed_in_two_steps_and_armed_in_one(desk: Desk) -> None:
    refused = desk.arm()
    assert refused.refusal == "the kill switch is not disarmed"
    assert "refused to arm the kill switch: the kill" in desk.last.payload.message
    _, code = desk.ask(What.DISARM, "")
    assert desk.last.payload.message == "ann asked to disarm the kill switch: it is over"
    change = desk.confirm(code, What.DISARM, "")
    assert change.state is not None
    assert change.state.is_disarmed
    assert desk.last.event_type == "KILL_SWITCH_DISARMED"
    assert desk.last.payload.message.startswith("kill switch disarmed: ")
    assert desk.ask(What.DISARM, "")[0].refusal == "the kill switch is disarmed already"
    armed = desk.arm()
    assert armed.state is not None
    assert armed.state.everything.phase is Phase.ARMED
    assert not desk.board.is_disarmed
    subjects = [(one["subject"], one["title"]) for one in desk.messages()]
    assert [title for _, title in subjects] == ["KILL SWITCH DISARMED", "KILL SWITCH ARMED"]
    assert subjects[1][0] == f"kill_switch:{desk.last.seq}"


#: risk_id, tier, state, action, feed, account.
INCIDENTS = [
    ("a/main", "emergency", "CREATED", "kill_switch", "alerts", "main"),
    ("a/other", "emergency", "DISPATCHED", "kill_switch", "alerts", "other"),
    ("a/all", "emergency", "CREATED", "kill_switch", "alerts", None),
    ("over/main", "emergency", "RESOLVED", "kill_switch", "alerts", "main"),
    ("hearsay/main", "emergency", "CREATED", "kill_switch", "notifications", "main"),
    ("pulled/main", "", "CREATED", "log", "alerts", "main"),
    ("mild/main", "warning", "CREATED", "log", "alerts", "main"),
]


def fire(transaction: Transaction) -> None:
    for risk_id, tier, state, action, feed, account in INCIDENTS:
        labels = json.dumps({} if account is None else {"account": account})
        transaction.connection.execute(
            "INSERT INTO incident VALUES (?, ?, 1, ?, 'NAME', 'emergency', NULL, ?, '', NULL, '', "
            "NULL, 0, '', ?, '{}')",
            (risk_id, tier, state, action, labels),
        )
        transaction.connection.execute(
            "INSERT INTO alert VALUES (?, ?, 1, 'FIRING', ?, '', 1)", (risk_id, tier, feed)
        )
    key = "incident:pulled/main:none:1:2026"
    trigger = Trigger(key, "k9", KillMode.PAUSE, "NAME", "emergency", transaction.now)
    journal.pull(transaction, trigger, Witness())


@pytest.mark.parametrize(
    ("covered", "named"),
    [
        (EVERYTHING, ["a/all", "a/main", "a/other", "pulled/main"]),
        (MAIN, ["a/all", "a/main", "pulled/main"]),
        (Scope(account="third"), ["a/all"]),
        (Scope(symbol="BTC-EUR"), ["a/all", "a/main", "a/other", "pulled/main"]),
    ],
)
def test_what_prometheus_itself_says_fires_is_named_for_what_a_kill_covers(
    desk: Desk, covered: Scope, named: list[str]
) -> None:
    desk.do(fire)
    found = desk.do(lambda transaction: firing(transaction.connection, covered))
    assert sorted(found) == [f"NAME {risk_id}" for risk_id in named]


def test_nothing_is_cleared_past_what_fires_where_the_kill_covers_it(desk: Desk) -> None:
    desk.trip("k1", Scope(account="third"))
    desk.trip("k2", Scope(account="fourth"))
    code = desk.ask(kill_id="k2")[1]
    desk.do(fire)
    for refusal in (desk.ask(kill_id="k2")[0].refusal, desk.confirm(code, kill_id="k2").refusal):
        assert "trip again at once: NAME a/all. End" in refusal
    desk.do(lambda t: t.connection.execute("DELETE FROM incident WHERE risk_id = 'a/all'"))
    assert "NAME a/main" in desk.ask(kill_id="k9")[0].refusal
    code = desk.ask(kill_id="k1")[1]
    assert desk.confirm(code, kill_id="k1").refusal == ""
    assert {one.kill_id for one in desk.board.in_force} == {"k2", "k9"}

"""What a second step needs: a code of the first one, and an authenticator's where that is asked."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_policy import parse_policy
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.environment import Secret
from risk_policy.vocabulary import KillMode
from risk_receivers.audit.chain import EMPTY
from risk_receivers.errors import StartError
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.clearing import (
    Change,
    Codes,
    LooseningRefusedError,
    Request,
    Sight,
    What,
    obstacle,
)
from risk_receivers.kill.switch import Phase, Trigger
from risk_receivers.kill.time_codes import TimeCodes
from risk_receivers.store.transaction import Transaction

TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SECOND = 1_000_000_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAIN = Scope(account="main")
REQUEST = Request(What.CLEAR, "kill-1", "ann", "the feed was wrong")
SIGHT = Sight("kill-1", "*", Phase.TRIPPED, KillMode.PAUSE, 1)


class Clock:
    now = 5 * SECOND

    def __call__(self) -> int:
        return self.now


def test_a_code_confirms_the_very_request_once() -> None:
    codes = Codes(10, Clock())
    code = codes.give(REQUEST, SIGHT)
    codes.check(code, REQUEST, SIGHT)
    codes.use(code)
    with pytest.raises(LooseningRefusedError, match="was used"):
        codes.check(code, REQUEST, SIGHT)


@pytest.mark.parametrize(
    "change",
    [{"what": What.DISARM}, {"kill_id": "kill-2"}, {"actor": "bob"}, {"reason": "another"}],
)
def test_a_code_is_for_no_other_request(change: dict[str, Any]) -> None:
    codes = Codes(10, Clock())
    code = codes.give(REQUEST, SIGHT)
    for _ in range(5):
        with pytest.raises(LooseningRefusedError, match="another request"):
            codes.check(code, replace(REQUEST, **change), SIGHT)
    with pytest.raises(LooseningRefusedError, match="unknown"):
        codes.check(code, REQUEST, SIGHT)


@pytest.mark.parametrize("change", [{"mode": KillMode.IMMEDIATE}, {"triggers": 2}])
def test_what_has_changed_since_has_to_be_looked_at(change: dict[str, Any]) -> None:
    codes = Codes(10, Clock())
    code = codes.give(REQUEST, SIGHT)
    with pytest.raises(LooseningRefusedError, match="look again"):
        codes.check(code, REQUEST, replace(SIGHT, **change))


@pytest.mark.parametrize("actor", ["bob", "ann"])
def test_what_has_changed_needs_a_new_code_even_if_it_changes_back(actor: str) -> None:
    codes = Codes(10, Clock(), needs_second_person=actor != "ann")
    code, request = codes.give(REQUEST, SIGHT, "operator_token"), replace(REQUEST, actor=actor)
    with pytest.raises(LooseningRefusedError, match="look again"):
        codes.check(code, request, replace(SIGHT, triggers=2), "approver_token")
    with pytest.raises(LooseningRefusedError, match="unknown"):
        codes.check(code, request, SIGHT, "approver_token")


def test_so_many_codes_wait_and_the_oldest_makes_room() -> None:
    codes = Codes(10, Clock())
    given_codes = [codes.give(REQUEST, SIGHT) for _ in range(17)]
    assert all(len(bytes.fromhex(code)) == 4 for code in given_codes)
    with pytest.raises(LooseningRefusedError, match="unknown"):
        codes.check(given_codes[0], REQUEST, SIGHT)
    for code in given_codes[1:]:
        codes.check(code, REQUEST, SIGHT)


def test_a_code_is_good_for_its_time_to_the_nanosecond() -> None:
    clock = Clock()
    codes = Codes(10, clock)
    code = codes.give(REQUEST, SIGHT)
    clock.now += 10 * SECOND - 1
    codes.check(code, REQUEST, SIGHT)
    clock.now += 1
    with pytest.raises(LooseningRefusedError, match="too old"):
        codes.check(code, REQUEST, SIGHT)


def test_a_refusal_owes_nobody_a_message() -> None:
    assert Change(refusal="it still fires") == Change(None, "it still fires", 0, None)


def test_a_code_whose_time_is_over_takes_nobodys_room() -> None:
    clock = Clock()
    codes = Codes(10, clock)
    kept = codes.give(REQUEST, SIGHT)
    clock.now += 9 * SECOND
    later = [codes.give(REQUEST, SIGHT) for _ in range(15)]
    clock.now += SECOND  # the first one's time is over, to the nanosecond
    codes.give(REQUEST, SIGHT)
    with pytest.raises(LooseningRefusedError, match="unknown"):
        codes.check(kept, REQUEST, SIGHT)
    for code in later:
        codes.check(code, REQUEST, SIGHT)


def board(*scopes: Scope) -> KillBoard:
    state = KillBoard()
    for scope in scopes:
        pull = Trigger(str(scope), f"kill {scope}", KillMode.PAUSE, "why", "operator", NOW)
        event = state.on_trigger(replace(pull, scope=scope, by_person=True))
        assert event is not None
        state = state.after(event)
    return state


def why_not(request: Request, state: KillBoard, **more: Any) -> str:
    known: dict[str, Any] = {"firing": (), "blind": "", "unrecorded": False}
    return obstacle(request, state, **{**known, **more})


def test_a_kill_can_be_cleared_once_it_is_recorded_and_nothing_asks_for_it() -> None:
    clear, state = replace(REQUEST, kill_id="kill *"), board(EVERYTHING)
    assert why_not(clear, state) == ""
    assert "not on record" in why_not(clear, state, unrecorded=True)
    refused = why_not(clear, state, firing=("drawdown/main",))
    assert "still firing" in refused
    assert "riskwarden reset-high-water-mark" in refused, (
        "it ends in no other way on a flat account"
    )
    assert "nobody can tell" in why_not(clear, state, blind="no Watchdog", firing=("x",))
    assert "nothing to clear" in why_not(clear, board())
    assert "must be kill *, " in why_not(REQUEST, state)
    several = why_not(REQUEST, board(EVERYTHING, MAIN))
    assert several.endswith("kill * (covers *), kill account=main (covers account=main)")


def test_what_is_tripped_or_disarmed_cannot_be_disarmed() -> None:
    disarm, state = replace(REQUEST, what=What.DISARM, kill_id=""), board()
    assert why_not(disarm, state) == ""
    assert "not on record" in why_not(disarm, state, unrecorded=True)
    assert "tripped: clear it first" in why_not(disarm, board(MAIN))
    event = state.on_disarm(NOW)
    assert event is not None
    assert "disarmed already" in why_not(disarm, state.after(event))


def test_whoever_asks_sees_the_kill_that_it_is_about_or_the_whole_switch() -> None:
    state = board(EVERYTHING, MAIN)
    seen = Sight.of(state, "kill account=main")
    assert seen == Sight("kill account=main", "account=main", Phase.TRIPPED, KillMode.PAUSE, 1)
    assert Sight.of(state, "another") == Sight("kill *", "*", Phase.TRIPPED, KillMode.PAUSE, 1)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), max_size=30))
def test_no_code_is_good_after_its_time(steps: list[tuple[int, int]]) -> None:
    clock = Clock()
    codes = Codes(10, clock)
    given_at: dict[str, int] = {}
    for passed, which in steps:
        clock.now += passed * SECOND
        known = list(given_at)
        if which < len(known):
            try:
                codes.check(known[which], REQUEST, SIGHT)
            except LooseningRefusedError:
                continue
            assert clock.now - given_at[known[which]] < 10 * SECOND
        else:
            given_at[codes.give(REQUEST, SIGHT)] = clock.now


def test_where_the_policy_asks_for_it_somebody_else_confirms_with_another_token() -> None:
    codes = Codes(10, Clock(), needs_second_person=True)
    code = codes.give(REQUEST, SIGHT, "operator_token")
    bob = replace(REQUEST, actor="bob")
    shouted = replace(REQUEST, actor="Ann")
    same = [(REQUEST, "approver_token"), (shouted, "approver_token"), (bob, "operator_token")]
    for request, by in same:
        with pytest.raises(LooseningRefusedError, match="somebody else than ann"):
            codes.check(code, request, SIGHT, by)
    with pytest.raises(LooseningRefusedError, match="another request"):
        codes.check(code, replace(bob, kill_id="kill-2"), SIGHT, "approver_token")
    codes.check(code, bob, SIGHT, "approver_token")
    code = codes.give(REQUEST, SIGHT, "operator_token")
    for _ in range(5):
        with pytest.raises(LooseningRefusedError, match="somebody else than ann"):
            codes.check(code, REQUEST, SIGHT, "operator_token")
    with pytest.raises(LooseningRefusedError, match="unknown"):
        codes.check(code, bob, SIGHT, "approver_token")


@pytest.mark.parametrize("secret", ["", "JBSWY3DP", "1" * 32, "JBSWY3DPEHPK3PXP"])
def test_a_secret_that_is_none_is_refused_at_the_start(secret: str) -> None:
    with pytest.raises(StartError, match="totp_secret"):
        TimeCodes(secret)


def test_a_secret_has_as_many_characters_as_the_standard_asks_for() -> None:
    for length in (24, 25):
        with pytest.raises(StartError, match="needs 26 characters"):
            TimeCodes("A" * length)
    TimeCodes("a" * 26 + "======")


def test_the_policys_secret_is_looked_up_where_codes_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = Secret("${RISKWARDEN_TEST_TOTP}")
    monkeypatch.delenv("RISKWARDEN_TEST_TOTP", raising=False)
    assert TimeCodes.from_policy(secret, needed=False) is None
    with pytest.raises(StartError, match=r"totp_secret.*RISKWARDEN_TEST_TOTP"):
        TimeCodes.from_policy(secret, needed=True)
    monkeypatch.setenv("RISKWARDEN_TEST_TOTP", TOTP)
    codes, at = TimeCodes.from_policy(secret, needed=True), datetime.now(UTC)
    assert codes is not None
    assert codes.is_shown(pyotp.TOTP(TOTP).at(at), at)


@pytest.mark.parametrize("steps", [-2, -1, 0, 1, 2])
def test_the_authenticators_clock_may_be_off_by_one_step_either_way(steps: int) -> None:
    at = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
    shown = pyotp.TOTP(TOTP).at(at + timedelta(seconds=30 * steps))
    assert TimeCodes(TOTP).is_shown(shown, at) is (abs(steps) <= 1)
    assert TimeCodes(TOTP).is_likely(shown, at) is (abs(steps) <= 1)


def test_two_slips_and_any_number_of_empty_ones_are_forgiven_in_every_step() -> None:
    totp, codes = pyotp.TOTP(TOTP), TimeCodes(TOTP)
    for seconds in (0, 30):
        at = datetime(2026, 3, 2, 15, 0, tzinfo=UTC) + timedelta(seconds=seconds)
        good = {totp.at(at + timedelta(seconds=drift)) for drift in (-30, 0, 30)}
        slips = [code for code in map("{:06}".format, range(9)) if code not in good][:2]
        assert not any(codes.is_likely(code, at) for code in ["", " ", "", "", *slips])
        assert codes.is_likely(totp.at(at), at)


def test_a_new_secret_begins_anew_and_each_has_its_own_place_on_record() -> None:
    retention = parse_policy(b"", environ={}).alerting.audit.retention
    at = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
    code = pyotp.TOTP(TOTP).at(at)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT)")
        transaction = Transaction(connection, at, EMPTY, "test", retention)
        for whose in ("", "ann"):
            codes = TimeCodes(TOTP, whose)
            assert codes.take(transaction, code)
            assert not codes.take(transaction, code)
        names = {name for (name,) in connection.execute("SELECT name FROM fact")}
        assert names == {"totp_step", "totp_step:ann"}, "as the stores of all versions have it"
        codes.begin_anew(transaction)
        assert codes.take(transaction, code)
        assert not TimeCodes(TOTP).take(transaction, code)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [  # RFC 6238, appendix B, for SHA-1; six digits are the last of its eight
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()
    retention = parse_policy(b"", environ={}).alerting.audit.retention
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT)")
        at = datetime.fromtimestamp(seconds, UTC)
        transaction = Transaction(connection, at, EMPTY, "test", retention)
        assert TimeCodes(secret).is_shown(code, at)
        assert TimeCodes(secret).take(transaction, code)
        assert not TimeCodes(secret).take(transaction, code), "it was used"
        assert TimeCodes(secret, "ann").take(transaction, code), "hers is another"


def test_six_digits_cannot_be_guessed_one_after_the_other() -> None:
    totp, at = pyotp.TOTP(TOTP), datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
    good = {totp.at(at + timedelta(seconds=drift)) for drift in (-30, 0, 30)}
    wrong = [code for code in map("{:06}".format, range(6)) if code not in good][:3]
    codes, retention = TimeCodes(TOTP), parse_policy(b"", environ={}).alerting.audit.retention
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT)")

        def take(code: str, seconds: float = 0) -> bool:
            now = at + timedelta(seconds=seconds)
            transaction = Transaction(connection, now, EMPTY, "test", retention)
            return codes.take(transaction, code)

        assert not any(take(code) for code in ["", "", "", "", *wrong])
        assert not take(totp.at(at)), "not even the right one"
        assert take(totp.at(at), seconds=30)
        assert not take(totp.at(at), seconds=30)


def test_who_guesses_at_what_loosens_keeps_nobody_from_stopping() -> None:
    totp, at = pyotp.TOTP(TOTP), datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
    good = {totp.at(at + timedelta(seconds=drift)) for drift in (-30, 0, 30)}
    wrong = [code for code in map("{:06}".format, range(9)) if code not in good][:4]
    codes = TimeCodes(TOTP)
    assert not any(codes.is_likely(code, at) for code in wrong)
    assert not codes.is_likely(totp.at(at), at), "not even the right one"
    assert codes.is_shown(totp.at(at), at)
    assert not any(codes.is_shown(code, at) for code in wrong)
    assert not codes.is_shown(totp.at(at), at)
    assert codes.is_shown(totp.at(at), at + timedelta(seconds=30))

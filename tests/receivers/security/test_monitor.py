"""What behaves suspiciously is counted, on record, and kept out where it adds up."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sign_in_desk import HERE, OWNER, SignInDesk, sign_in_desk

from risk_policy.clock import utc_now
from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.windows import WEEKDAY_NAMES
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.payload import Payload
from risk_receivers.security.exports import Exports, ExportWatch
from risk_receivers.store.places import place_of

SESSION, STATUS, SECURITY = "/api/v1/session", "/api/v1/system/status", "/api/v1/security"
BLOCKED = "risk_security_blocked_addresses"
GOOD = {"Authorization": f"Bearer {OWNER}"}
#: Nobody works on any day of this week that is to-day.
AT_REST = WEEKDAY_NAMES[(utc_now().weekday() + 3) % 7]
POLICY = f"""
[alerting.security]
bulk_export_records = 40
after_hours = true
[alerting.business_hours]
weekdays = ["{AT_REST}"]
times = ["00:00-24:00"]
"""


def counted(desk: SignInDesk, kind: str) -> float:
    return desk.metric(f'risk_security_events_total{{kind="{kind}"}}') or 0.0


def hammer(desk: SignInDesk, address: str, times: int) -> list[int]:
    """Wrong tokens from somewhere, and how each was answered."""
    wrong = {"Authorization": "Bearer wrong"}
    return [desk.call("GET", STATUS, None, wrong, address).status_code for _ in range(times)]


def told(desk: SignInDesk, kind: str, about: str) -> Payload:
    """What is on record of somebody or of an address, once it is."""
    until = time.monotonic() + 15
    while True:
        for one in desk.payloads(kind):
            if about in (one.actor_id, one.details["address"]):
                return one
        assert time.monotonic() < until
        signal.sigtimedwait([], 0.01)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignInDesk]:
    with sign_in_desk(tmp_path_factory.mktemp("desk"), POLICY) as opened:
        for name, role in {"ann": "risk_manager", "olga": "auditor"}.items():
            opened.add(name, role)
        yield opened


def test_who_keeps_failing_is_not_listened_to_until_somebody_ends_it(desk: SignInDesk) -> None:
    bad = "203.0.113.66"
    assert desk.metric(BLOCKED) == 0
    assert hammer(desk, bad, 12) == [401] * 10 + [429] * 2
    for method, path in [
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/"),
        ("POST", SESSION),
        ("POST", "/api/v1/kill"),
        ("POST", "/api/v2/alerts"),
    ]:
        answer = desk.call(method, path, {}, address=bad)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 900
        assert answer.headers["content-type"] == "application/problem+json"
        assert "without a good token or session" in answer.json()["detail"]
    # Whoever is known goes on, and so do probes and scrapes.
    assert desk.call("GET", STATUS, None, GOOD, bad).status_code == 200
    ann = replace(desk.browser("ann", "203.0.113.72"), address=bad)
    assert ann.call("GET", STATUS).status_code == 200
    feed = {"Authorization": "Bearer alert-feed-secret"}
    assert desk.call("POST", "/api/v2/alerts", [], feed, bad).status_code == 200
    kill = {"mode": "nonsense"}
    assert desk.call("POST", "/api/v1/kill", kill, GOOD, bad).status_code == 400
    for path in ("/healthz", "/readyz", "/metrics"):
        assert desk.call("GET", path, address=bad).status_code in (200, 503)
    # Others do not notice.
    assert desk.call("GET", STATUS).status_code == 401
    assert desk.metric(BLOCKED) == 1
    told(desk, "ADDRESS_BLOCKED", bad)
    shown = desk.owner("GET", SECURITY).json()
    assert shown["block_at"] == 90
    worst = shown["addresses"][0]
    assert (worst["address"], worst["blocked"]) == (bad, True)
    assert worst["score"] == pytest.approx(100, abs=1)
    lifting = f"{SECURITY}/blocks/{bad}"
    order = {"actor": "owner", "reason": "it was our own script"}
    assert desk.call("DELETE", lifting, order, {}, HERE).status_code == 401
    answer = desk.owner("DELETE", lifting, order)
    assert (answer.status_code, answer.json()) == (200, {"address": bad, "lifted": True})
    assert desk.owner("DELETE", lifting, order).status_code == 404
    assert desk.metric(BLOCKED) == 0
    assert hammer(desk, bad, 1) == [401]
    (event,) = desk.recorded("BLOCK_LIFTED", 1)
    assert (event.actor_id, event.action_reason) == ("owner", order["reason"])
    assert event.message == f"owner ended the block of {bad}"


def test_where_people_work_they_can_log_in_whatever_others_do_behind_the_same_address(
    tmp_path: Path,
) -> None:
    office, elsewhere = "203.0.113.90", "203.0.113.91"
    with sign_in_desk(tmp_path) as desk:
        desk.add("ann", "risk_manager")
        assert desk.browser("ann", office).call("GET", STATUS).status_code == 200
    with sign_in_desk(tmp_path) as desk:  # her session is over, and her habits are known
        for address in (office, elsewhere):
            assert hammer(desk, address, 12)[-1] == 429
        for number in range(30):
            body = {"name": f"name{number}", "password": "x"}
            codes = {
                desk.call("POST", SESSION, body, {}, one).status_code for one in (office, HERE)
            }
        assert codes == {429}
        for path in ("/", "/login", SESSION):
            assert desk.call("GET", path, address=elsewhere).status_code == 429
            assert desk.call("GET", path, address=office).status_code in (200, 302, 303)
        assert desk.call("GET", STATUS, address=office).status_code == 429
        for number in range(8):  # and who guesses at her name elsewhere locks nobody out here
            body = {"name": "ann", "password": "x"}
            desk.call("POST", SESSION, body, {}, f"198.51.100.{number}")
        trip = {"actor": "ann", "reason": "a try", "mode": "pause"}
        asked = desk.browser("ann", office).call("POST", "/api/v1/system/kill-switch", trip)
        assert asked.status_code == 200


def test_who_is_told_to_wait_and_tries_all_the_same_guesses_at_nothing(desk: SignInDesk) -> None:
    desk.add("late", "auditor")
    for number in range(6):
        body = {"name": "late", "password": "x"}
        desk.call("POST", SESSION, body, {}, f"198.18.7.{number}")
    answers = [desk.call("POST", SESSION, body, {}, "203.0.113.92") for _ in range(12)]
    # However slow the machine, few of them are looked at: each makes the wait twice as long.
    assert sum("looked at in" in answer.json()["detail"] for answer in answers) >= 8
    assert desk.call("GET", STATUS, None, {}, "203.0.113.92").status_code == 401


def test_this_machine_is_never_blocked(desk: SignInDesk) -> None:
    assert hammer(desk, "127.0.0.1", 30) == [401] * 30


def test_somebody_who_may_not_or_brings_nothing_is_no_intruder(desk: SignInDesk) -> None:
    olga = desk.browser("olga", "203.0.113.70")
    for _ in range(30):
        assert olga.call("POST", "/api/v1/drills", {}).status_code == 403
    assert olga.call("GET", STATUS).status_code == 200
    for _ in range(30):  # a page that was left open
        assert desk.call("GET", STATUS, address="203.0.113.70").status_code == 401
    assert desk.call("GET", SESSION, address="203.0.113.70").status_code == 200


def test_what_a_proxy_in_front_asks_for_is_no_guess_and_keeps_nobody_from_their_session(
    desk: SignInDesk,
) -> None:
    ann = desk.browser("ann", "203.0.113.93")
    for header in ("Basic YW5uOnNlY3JldA==", "Negotiate YII", "Bearer", "Bearer "):
        sent = {"Authorization": header}
        for _ in range(4):
            assert ann.call("GET", STATUS, headers=sent).status_code == 200
            assert ann.call("GET", SESSION, headers=sent).json()["name"] == "ann"
            assert desk.call("GET", STATUS, None, sent, ann.address).status_code == 401
        # It is no way around what a session takes, either.
        forged = {**sent, "X-CSRF-Token": "x"}
        assert ann.call("POST", "/api/v1/kill", {}, headers=forged).status_code == 403
    assert all(
        one["address"] != ann.address for one in desk.owner("GET", SECURITY).json()["addresses"]
    )


def test_wrong_passwords_count_as_such(desk: SignInDesk) -> None:
    address = "203.0.113.67"
    before, tokens = counted(desk, "login_failed"), counted(desk, "auth_failed")
    answers = [
        desk.call("POST", SESSION, {"name": f"x{n}", "password": "y"}, {}, address).status_code
        for n in range(12)
    ]
    assert answers == [401] * 10 + [429] * 2
    assert counted(desk, "login_failed") == before + 10
    assert counted(desk, "auth_failed") == tokens


def test_what_looks_like_an_attack_is_counted_and_three_of_it_are_enough(desk: SignInDesk) -> None:
    address = "203.0.113.68"
    before = counted(desk, "intrusion")
    tried = ["/.env", "/api/v1/alerts?account=1%27%20or%20%271%27%3D%271", "/wp-login.php"]
    assert [desk.call("GET", path, address=address).status_code for path in tried] == [
        *(404, 401, 429),
    ]
    assert counted(desk, "intrusion") == before + 3
    event = told(desk, "INTRUSION_SUSPECTED", address)
    assert "looks like a probe for other software" in event.message
    agent = {"User-Agent": "sqlmap/1.8"}
    desk.call("GET", "/healthz", None, agent, "203.0.113.69")
    assert counted(desk, "intrusion") == before + 4


def test_a_token_from_an_address_that_it_never_came_from_is_told(desk: SignInDesk) -> None:
    body = {"name": "grafana", "roles": ["auditor"], "actor": "owner"}
    token = desk.owner("POST", "/api/v1/tokens", body).json()["token"]
    header = {"Authorization": f"Bearer {token}"}
    before = counted(desk, "new_address")
    for _ in range(2):  # nobody knows better than the first time
        assert desk.call("GET", STATUS, None, header, "198.51.100.1").status_code == 200
    assert counted(desk, "new_address") == before
    for _ in range(3):
        assert desk.call("GET", STATUS, None, header, "198.51.100.2").status_code == 200
        assert desk.call("GET", STATUS, None, header, "198.51.100.1").status_code == 200
    assert counted(desk, "new_address") == before + 1
    event = told(desk, "NEW_ADDRESS_SEEN", "grafana")
    assert event.message == "grafana at 198.51.100.2 was never seen at this address before"


def test_access_outside_business_hours_is_told_if_the_policy_wants_it(desk: SignInDesk) -> None:
    before = counted(desk, "after_hours")
    ann = desk.browser("ann")
    assert counted(desk, "after_hours") == before + 1
    ann.call("GET", STATUS)
    assert counted(desk, "after_hours") == before + 1
    ann.call("POST", "/api/v1/system/kill-switch/arm", {"reason": "x", "actor": "ann"})
    assert counted(desk, "after_hours") == before + 2
    told(desk, "AFTER_HOURS_ACCESS", "ann")


def test_reading_much_of_the_record_is_an_export(desk: SignInDesk) -> None:
    olga = desk.browser("olga")
    before = counted(desk, "bulk_export")
    read = len(olga.call("GET", "/api/v1/audit?limit=30").json()["events"])
    assert read <= 40
    assert counted(desk, "bulk_export") == before
    while read <= 40:
        read += len(olga.call("GET", "/api/v1/audit?limit=30").json()["events"])
    assert counted(desk, "bulk_export") == before + 1
    event = told(desk, "BULK_EXPORT_SEEN", "olga")
    assert event.details["address"] == HERE


def test_who_may_see_and_who_may_end_blocks(desk: SignInDesk) -> None:
    ann = desk.browser("ann", "203.0.113.71")
    assert ann.call("DELETE", f"{SECURITY}/blocks/x", {"actor": "ann"}).status_code == 403


def test_addresses_are_known_across_restarts_and_nobody_is_blocked_who_need_not_be(
    tmp_path: Path,
) -> None:
    policy = "[alerting.security.blocking]\nenabled = false\n"
    with sign_in_desk(tmp_path, policy) as desk:
        for address in (HERE, "198.51.100.9"):
            assert desk.call("GET", STATUS, None, GOOD, address).status_code == 200
        assert counted(desk, "new_address") == 1
        assert hammer(desk, "203.0.113.66", 30) == [401] * 30
        assert desk.owner("GET", SECURITY).json()["block_at"] is None
    with sign_in_desk(tmp_path, policy) as desk:
        for address in (HERE, "198.51.100.9"):
            assert desk.call("GET", STATUS, None, GOOD, address).status_code == 200
        assert counted(desk, "new_address") == 0
        desk.call("GET", STATUS, None, GOOD, "198.51.100.10")
        assert counted(desk, "new_address") == 1


def test_an_export_is_told_once_a_window_and_what_is_read_slowly_is_none() -> None:
    seconds = [0]
    exports = Exports(most=100, window_seconds=60, clock=lambda: seconds[0] * 10**9)
    told = [exports.is_bulk("olga", records) for records in (60, 40, 1, 1)]
    assert told == [False, False, True, False]
    for seconds[0] in range(100, 1000, 30):
        assert not exports.is_bulk("olga", 50)
    assert exports.is_bulk("riskwarden", 101)


def test_what_the_command_line_exported_is_found_in_the_record(desk: SignInDesk) -> None:
    found: list[tuple[str, int]] = []
    parts = desk.service.parts
    place = place_of(parts.policy.alerting.audit, desk.data)
    watch = ExportWatch(
        place, parts.telemetry, parts.writer.head.size, lambda *export: found.append(export)
    )

    def exported(records: int) -> None:
        event = AuditEvent(
            EventType.AUDIT_EXPORTED,
            "exported",
            actor_type=ActorType.USER,
            actor_id="ann",
            details={"shown": records},
        )
        parts.writer.run(lambda transaction: transaction.append(event), 10)

    watch.round()
    exported(7)
    desk.owner("GET", "/api/v1/audit?limit=1")
    watch.round()
    exported(8)
    watch.round()
    watch.round()
    assert found == [("ann", 7), ("ann", 8)]


def test_who_asks_too_often_is_on_record_and_blocked_where_it_adds_up(tmp_path: Path) -> None:
    policy = "[alerting.dashboard.api]\nrate_limit_per_minute = 5\n"
    with sign_in_desk(tmp_path, policy) as desk:
        desk.add("ann", "risk_manager")
        ann = desk.browser("ann")
        answers = [ann.call("GET", STATUS).status_code for _ in range(60)]
        assert answers == [200] * 5 + [429] * 55, "who is known is never blocked"
        told(desk, "RATE_LIMITED", "ann")
        stranger = "203.0.113.80"
        details = [
            desk.call("GET", STATUS, address=stranger).json()["detail"] for _ in range(5 + 45 + 5)
        ]
        assert "rate_limit_per_minute" in details[5]
        assert "nobody is listened to" in details[-1]
        assert counted(desk, "rate_limited") >= 100


def test_how_old_secrets_are_is_told_and_what_nobody_knows_is_not_called_fine(
    desk: SignInDesk,
) -> None:
    body = {"name": "robot", "roles": ["auditor"], "actor": "owner"}
    assert desk.owner("POST", "/api/v1/tokens", body).status_code == 200
    until = time.monotonic() + 15
    while len(shown := desk.owner("GET", SECURITY).json()["secrets"]) < 5:
        assert time.monotonic() < until
        signal.sigtimedwait([], 0.01)
    secrets = {one["secret"]: one for one in shown}
    unknown = secrets["alerting.auth.operator_token"]
    assert (unknown["changed_at"], unknown["age_seconds"], unknown["overdue"]) == (None,) * 3
    assert shown[0]["changed_at"] is None
    for name in ("token robot", "alerting.audit.signing.key_path"):
        known = secrets[name]
        assert 0 <= known["age_seconds"] < 600
        assert (known["overdue"], known["rotate_after_seconds"]) == (False, 90 * 86_400)
        assert desk.metric(f'risk_secret_age_seconds{{secret="{name}"}}') is not None
    limit = 'risk_secret_rotate_after_seconds{secret="alerting.auth.operator_token"}'
    assert desk.metric(limit) == 90 * 86_400
    assert desk.metric('risk_secret_age_seconds{secret="alerting.auth.operator_token"}') is None
    assert OWNER not in desk.owner("GET", SECURITY).text + desk.call("GET", "/metrics").text

"""Logging in and out, and what a session opens and does not, on the whole service."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from sign_in_desk import HERE, OWNER, PASSWORD, Browser, SignInDesk, sign_in_desk

ELSEWHERE = "203.0.113.5"
SESSION = "/api/v1/session"


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < until
        signal.sigtimedwait([], 0.01)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignInDesk]:
    with sign_in_desk(tmp_path_factory.mktemp("desk")) as opened:
        assert opened.call("GET", SESSION).json()["advice"] == (
            "nobody can log in yet: make the first user with riskwarden user add NAME --role admin"
        )
        assert not opened.call("GET", SESSION).json()["can_log_in"]
        for name, role in {"ann": "risk_manager", "olga": "auditor", "boss": "admin"}.items():
            opened.add(name, role)
        yield opened


def test_a_password_opens_a_session_and_a_session_opens_the_api(desk: SignInDesk) -> None:
    stranger = desk.call("GET", SESSION).json()
    assert (stranger["authenticated"], stranger["csrf_token"], stranger["name"]) == (
        *(False, None, None),
    )
    ann = Browser(desk)
    answer = ann.log_in("ann")
    assert answer.status_code == 200, answer.text
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("riskwarden=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200")
    me = ann.call("GET", SESSION).json()
    assert me == answer.json()
    assert (me["name"], me["by"], me["roles"]) == ("ann", "session", ["risk_manager"])
    assert "trip" in me["permissions"]
    assert "manage_tokens" not in me["permissions"]
    assert not me["has_totp"]
    assert ann.call("GET", "/api/v1/system/status").status_code == 200
    assert ann.call("GET", "/api/v1/users").status_code == 200
    denied = ann.call("POST", "/api/v1/users", {})
    assert denied.status_code == 403
    assert denied.json()["detail"].startswith("ann is of risk_manager and lacks permission manage")
    (listed,) = desk.owner("GET", "/api/v1/users/ann/sessions").json()["sessions"]
    session_id = listed["id"]
    assert listed["address"] == HERE
    assert ann.log_out().status_code == 200
    assert ann.call("GET", "/api/v1/system/status").status_code == 401
    assert not ann.call("GET", SESSION).json()["authenticated"]
    began, ended = desk.recorded("SESSION", 2)
    assert (began.actor_id, began.details["address"]) == ("ann", HERE)
    assert ended.message == "the session of ann is over: logged out"
    assert began.details["session"] == ended.details["session"] == session_id
    token = ann.cookie.partition("=")[2]
    for path in (one for one in desk.data.rglob("*") if one.is_file()):
        content = path.read_bytes()
        assert token.encode() not in content, path
        assert PASSWORD.encode() not in content, path


def test_a_token_says_who_somebody_is_too_and_needs_no_token_of_a_page(desk: SignInDesk) -> None:
    me = desk.owner("GET", SESSION).json()
    assert (me["authenticated"], me["by"], me["csrf_token"]) == (True, "token", None)
    # With a token nobody is whoever a cookie says.
    olga = desk.browser("olga")
    headers = {"Authorization": f"Bearer {OWNER}"}
    assert olga.call("GET", SESSION, headers=headers).json()["name"] == "operator_token"
    wrong = {"Authorization": "Bearer wrong"}
    assert olga.call("GET", "/api/v1/audit", headers=wrong).status_code == 401


def test_nobody_guesses_tokens_by_asking_who_they_are(desk: SignInDesk) -> None:
    before = desk.metric('risk_security_events_total{kind="auth_failed"}') or 0
    for _ in range(3):
        answer = desk.call("GET", SESSION, None, {"Authorization": "Bearer guessed"}, ELSEWHERE)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert desk.metric('risk_security_events_total{kind="auth_failed"}') == before + 3
    eventually(
        lambda: any(p.details["paths"] == [SESSION] for p in desk.payloads("ACCESS_REFUSED"))
    )


FORGED: list[dict[str, str]] = [
    {"X-CSRF-Token": ""},
    {"X-CSRF-Token": "x" * 43},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:3000"},
]


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize(
    "asked", ["POST /api/v1/kill", "POST /api/v1/tokens", "DELETE /api/v1/session"]
)
def test_a_page_of_another_site_can_do_nothing(
    desk: SignInDesk, boss: Browser, forged: dict[str, str], asked: str
) -> None:
    method, path = asked.split()
    body = {"mode": "pause", "reason": "a forged one", "actor": "boss"}
    answer = boss.call(method, path, body, forged)
    assert answer.status_code == 403, answer.text
    assert boss.call("GET", SESSION).json()["name"] == "boss"
    assert desk.owner("GET", "/api/v1/system/status").json()["kill_switch"]["state"] == "ARMED"


@pytest.fixture(scope="module")
def boss(desk: SignInDesk) -> Browser:
    return desk.browser("boss")


def test_a_page_of_another_site_logs_nobody_in(desk: SignInDesk) -> None:
    body = {"name": "ann", "password": PASSWORD}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = desk.call("POST", SESSION, body, headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


def test_whatever_is_wrong_the_answer_is_the_same_and_the_record_is_not(desk: SignInDesk) -> None:
    desk.add("tom", "trading_ops")
    desk.add("gone", "trading_ops")
    desk.owner("POST", "/api/v1/users/gone/disable", {"actor": "owner"})
    desk.add("tess", "trading_ops")
    desk.enrol("tess")
    answers = []
    for number, (name, password, totp) in enumerate(
        [
            ("nobody", PASSWORD, ""),
            ("my own password by mistake", PASSWORD, ""),
            ("tom", "another slow train", ""),
            ("tom", "", ""),
            ("gone", PASSWORD, ""),
            ("tess", PASSWORD, ""),
            ("tess", PASSWORD, "000000"),
        ]
    ):
        answer = Browser(desk, f"198.51.100.{number}").log_in(name, password, totp)
        assert "set-cookie" not in answer.headers
        answers.append((answer.status_code, answer.json()))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 401


def refusals(desk: SignInDesk) -> set[tuple[str | None, str]]:
    return {(one.actor_id, one.action_reason) for one in desk.payloads("LOGIN_REFUSED")}


def test_the_record_says_what_was_wrong_and_never_a_name_that_is_nobodys(
    desk: SignInDesk,
) -> None:
    Browser(desk, "198.51.100.40").log_in("tom's own long password", PASSWORD)
    desk.add("rita", "auditor")
    Browser(desk, "198.51.100.41").log_in("rita", "a fast train")
    desk.recorded("LOGIN_REFUSED", 2)
    eventually(lambda: {(None, "no such user"), ("rita", "a wrong password")} <= refusals(desk))
    for path in (one for one in desk.data.rglob("*") if one.is_file()):
        assert b"tom's own" not in path.read_bytes(), path
    assert (desk.metric('risk_logins_total{outcome="failed"}') or 0) > 1
    assert (desk.metric('risk_security_events_total{kind="login_failed"}') or 0) > 1


def test_a_session_ends_at_once_when_what_it_rests_on_changes(desk: SignInDesk) -> None:
    desk.add("eve", "auditor")
    order = {"actor": "owner"}
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", "/api/v1/users/eve/password", {"password": "another slow train"}),
        ("PUT", "/api/v1/users/eve/roles", {"roles": ["quant_analyst"]}),
        ("DELETE", "/api/v1/users/eve/sessions", {}),
        ("POST", "/api/v1/users/eve/disable", {}),
        ("DELETE", "/api/v1/users/eve", {}),
    ]
    password = PASSWORD
    for number, (method, path, body) in enumerate(changes):
        browsers = [Browser(desk, f"203.0.113.{10 + number}") for _ in range(2)]
        if not path.endswith("eve"):
            assert [b.log_in("eve", password).status_code for b in browsers] == [200, 200]
        else:
            assert browsers[0].log_in("eve", password).status_code == 401, "she is disabled"
            desk.owner("POST", "/api/v1/users/eve/enable", order)
            assert [b.log_in("eve", password).status_code for b in browsers] == [200, 200]
        assert desk.owner(method, path, {**order, **body}).status_code == 200
        for browser in browsers:
            assert browser.call("GET", "/api/v1/system/status").status_code == 401, path
            assert not browser.call("GET", SESSION).json()["authenticated"]
        password = body.get("password", password)
    assert Browser(desk).log_in("eve", password).status_code == 401
    ended = [p for p in desk.payloads("SESSION_ENDED") if p.details["name"] == "eve"]
    assert [p.action_reason for p in ended] == ["logged out by owner"] * 2


def test_an_old_cookie_raises_no_alarm_and_a_wrong_token_does(desk: SignInDesk) -> None:
    before = desk.metric('risk_security_events_total{kind="auth_failed"}')
    stale = {"Cookie": f"riskwarden={'x' * 43}"}
    for _ in range(5):
        answer = desk.call("GET", "/api/v1/system/status", None, stale)
        assert answer.status_code == 401
        assert "log in again" in answer.json()["detail"]
    assert desk.metric('risk_security_events_total{kind="auth_failed"}') == before
    desk.call("GET", "/api/v1/system/status", None, {"Authorization": "Bearer x"})
    assert desk.metric('risk_security_events_total{kind="auth_failed"}') == (before or 0) + 1


def test_who_has_an_authenticator_shows_it_to_log_in_and_for_what_is_dangerous(
    desk: SignInDesk,
) -> None:
    desk.add("tina", "admin")
    totp = pyotp.TOTP(desk.enrol("tina"))
    assert Browser(desk).log_in("tina").status_code == 401
    code = totp.now()
    tina = desk.browser("tina", totp=code)
    assert Browser(desk, ELSEWHERE).log_in("tina", totp=code).status_code == 401, "it was used"
    me = tina.call("GET", SESSION).json()
    assert (me["has_totp"], me["needs_totp"]) == (True, True)
    make = {"name": "bot", "roles": ["auditor"], "actor": "x"}
    for body in (make, {**make, "totp": code}, {**make, "totp": "000000"}):
        denied = tina.call("POST", "/api/v1/tokens", body)
        assert (denied.status_code, denied.json()["needs_totp"]) == (403, True)
    fresh = totp.at(datetime.now(UTC) + timedelta(seconds=30))
    made = tina.call("POST", "/api/v1/tokens", {**make, "totp": fresh})
    assert made.status_code == 200, made.text
    assert made.json()["created_by"] == "tina"
    for method, path, more in (
        ("POST", "/api/v1/users", {"name": "new", "roles": ["auditor"], "password": PASSWORD}),
        ("PUT", "/api/v1/users/ann/password", {"password": PASSWORD}),
        ("PUT", "/api/v1/users/ann/roles", {"roles": ["auditor"]}),
        ("POST", "/api/v1/users/ann/totp", {}),
        ("DELETE", "/api/v1/users/ann/totp", {}),
        ("POST", "/api/v1/users/ann/disable", {}),
        ("POST", "/api/v1/users/ann/enable", {}),
        ("DELETE", "/api/v1/users/ann", {}),
        ("DELETE", "/api/v1/users/ann/sessions", {}),
        ("POST", "/api/v1/audit/signing-key", {"reason": "a try", "lost": True}),
        ("DELETE", "/api/v1/tokens/bot", {}),
    ):
        denied = tina.call(method, path, {"actor": "x", "totp": fresh, **more})
        assert denied.status_code == 403, (path, denied.text)
        assert "a code of the authenticator" in denied.json()["detail"]
    # Clearing takes her code as well, whatever the policy says; a token's holder needs none.
    step = {"actor": "x", "reason": "a try", "kill_id": "none"}
    trip = {"actor": "x", "reason": "a try", "mode": "pause"}
    asked = tina.call("POST", "/api/v1/system/kill-switch", trip)
    assert asked.json()["needs_totp"]
    second = {**trip, "confirmation": asked.json()["confirmation"], "word": "PAUSE"}
    denied = tina.call("POST", "/api/v1/system/kill-switch", second)
    assert denied.status_code == 409
    assert "a code of the authenticator" in denied.json()["detail"]
    asked = desk.owner("POST", "/api/v1/system/kill-switch", trip)
    assert not asked.json()["needs_totp"]
    asked = tina.call("POST", "/api/v1/system/kill-switch/disarm", step)
    assert asked.json()["needs_totp"]
    second = {**step, "confirmation": asked.json()["confirmation"], "totp": fresh}
    assert tina.call("POST", "/api/v1/system/kill-switch/disarm", second).status_code == 409
    assert desk.owner("GET", "/api/v1/system/status").json()["kill_switch"]["state"] == "ARMED"


@pytest.mark.parametrize("body", [{}, {"name": "ann"}, {"name": 1, "password": 2}, [], None, "x"])
def test_a_log_in_that_cannot_be_read_is_refused_and_counts_for_nothing(
    desk: SignInDesk, body: Any
) -> None:
    answer = desk.call("POST", SESSION, body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert desk.call("PUT", SESSION, body).status_code == 405
    large = desk.call("POST", SESSION, {"name": "ann", "password": "x" * 100_000})
    assert large.status_code == 413

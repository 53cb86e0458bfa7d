"""Every role at everything that is served: with a session, with a token, as nobody.

What is asked is the table of access itself, and who may is what the policy says: a new endpoint
is in here as soon as it is served.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sign_in_desk import Browser, SignInDesk, sign_in_desk

from risk_policy.model.permissions import Permissions
from risk_policy.vocabulary import Permission, Role
from risk_receivers.access import NEEDS, OPEN
from risk_receivers.auth import Key

#: None of these is there, so whoever may ask changes nothing.
_PLACES = {
    "<incident:incident>": "dd/main:x:1",
    "<silence>": "none",
    "<report>": "none",
    "<int:seq>": "999999",
    "<name>": "nobody",
    "<blocked>": "192.0.2.255",
    "{id}": "r1",
}
#: What goes on until somebody leaves.
STREAMS = {what for what in NEEDS if what.startswith(("GET /ws/", "GET /api/v1/stream/"))}
REFUSED = (401, 403)
#: Whoever asks for all of it in vain would soon not be listened to.
UNBLOCKED = "[alerting.security.blocking]\nenabled = false\n"
ROLES = [role.value for role in Role]


def asked_of(what: str) -> tuple[str, str, Any]:
    """What is asked, with nothing in it: whoever may is told that something is missing."""
    method, path = what.split()
    for place, subject in _PLACES.items():
        path = path.replace(place, subject)
    assert not re.search("[<{]", path), "say what to ask instead"
    return method, path, None if method == "GET" else {}


def roles_for(what: str) -> set[str]:
    table = Permissions().table()
    needs = [need for need in NEEDS[what] if isinstance(need, Permission)]
    return {role.value for need in needs for role in table[need]}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignInDesk]:
    with sign_in_desk(tmp_path_factory.mktemp("desk"), UNBLOCKED) as opened:
        yield opened


@pytest.fixture(scope="module")
def people(desk: SignInDesk) -> dict[str, tuple[Browser, dict[str, str]]]:
    """Of every role somebody who is logged in, and somebody's token."""
    found = {}
    for number, role in enumerate(ROLES):
        desk.add(f"user-{role}", role)
        body = {"name": f"token-{role}", "roles": [role], "actor": "owner"}
        token = desk.owner("POST", "/api/v1/tokens", body).json()["token"]
        browser = desk.browser(f"user-{role}", f"198.51.100.{number}")
        found[role] = (browser, {"Authorization": f"Bearer {token}"})
    return found


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_what_the_policy_says_by_session_and_by_token_alike(
    desk: SignInDesk, people: dict[str, tuple[Browser, dict[str, str]]], role: str
) -> None:
    browser, token = people[role]
    for what in NEEDS.keys() - STREAMS:
        method, path, body = asked_of(what)
        may = role in roles_for(what)
        by_session = browser.call(method, path, body)
        assert (by_session.status_code not in REFUSED) == may, (what, by_session.text)
        by_token = desk.call(method, path, body, token)
        assert by_token.status_code == by_session.status_code, (what, by_token.text)
        if not may:
            assert by_session.status_code == 403
            assert by_session.headers["content-type"] == "application/problem+json"
            assert f"user-{role} is of {role} and lacks " in by_session.json()["detail"]
    assert desk.owner("GET", "/api/v1/system/status").json()["kill_switch"]["state"] == "ARMED"


def test_nobody_may_anything_but_what_is_open(desk: SignInDesk) -> None:
    for what in NEEDS.keys() - STREAMS:
        method, path, body = asked_of(what)
        for headers in ({}, {"Cookie": f"riskwarden={'x' * 43}"}, {"Authorization": "Basic eDp4"}):
            answer = desk.call(method, path, body, headers)
            assert answer.status_code == 401, (what, answer.text)
            assert answer.headers["www-authenticate"] == "Bearer"
    for what in OPEN - {"POST /api/v1/session", "GET /console/<digest>/<name>"}:
        method, path = what.replace("<alertname>", "DRAWDOWN_WARNING").split()
        assert desk.call(method, path).status_code in (200, 503), what


@pytest.mark.parametrize("role", ROLES)
def test_what_changes_anything_takes_the_sessions_own_token_too(
    desk: SignInDesk, people: dict[str, tuple[Browser, dict[str, str]]], role: str
) -> None:
    browser, _ = people[role]
    forged = Browser(desk, browser.address, browser.cookie)
    for what in NEEDS.keys() - STREAMS:
        method, path, body = asked_of(what)
        answer = forged.call(method, path, body)
        may = method == "GET" and role in roles_for(what)
        assert (answer.status_code not in REFUSED) == may, (what, answer.text)
        if method != "GET":
            assert answer.status_code == 403
            assert "X-CSRF-Token" in answer.json()["detail"]


def test_nobody_who_logs_in_is_a_machine(
    people: dict[str, tuple[Browser, dict[str, str]]],
) -> None:
    for what, needs in NEEDS.items():
        if all(isinstance(need, Key) for need in needs):
            for browser, _ in people.values():
                assert browser.call(*asked_of(what)).status_code == 403, what


def test_who_listens_may_read_by_session_and_by_token_and_from_our_own_pages(
    desk: SignInDesk, people: dict[str, tuple[Browser, dict[str, str]]]
) -> None:
    assert len(STREAMS) == 4
    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for path in (what.removeprefix("GET ") for what in STREAMS):
        assert desk.listen(path) == 401
        assert desk.listen(path, {"Authorization": "Bearer alert-feed-secret"}) == 403
        for browser, token in people.values():
            assert desk.listen(path, {"Cookie": browser.cookie}) == 200
            assert desk.listen(path, token) == 200
            ours = {"Origin": "http://127.0.0.1:9465", "Sec-Fetch-Site": "same-origin"}
            assert desk.listen(path, {"Cookie": browser.cookie, **ours}) == 200
            if path.startswith("/ws/"):
                assert desk.listen(path, {"Cookie": browser.cookie, **elsewhere}) == 403

"""Whoever is logged in gives themselves another password, and nobody else by their session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from sign_in_desk import HERE, OWNER, PASSWORD, Browser, SignInDesk, sign_in_desk

SESSION, OWN, STATUS = "/api/v1/session", "/api/v1/session/password", "/api/v1/system/status"
ANOTHER = "a fast ship to Fiume"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignInDesk]:
    with sign_in_desk(tmp_path_factory.mktemp("desk")) as opened:
        yield opened


def change(browser: Browser, old: str = PASSWORD, new: str = ANOTHER, **more: str) -> Any:
    answer = browser.call("PUT", OWN, {"old": old, "new": new, **more})
    if answer.status_code == 200:
        browser.cookie = answer.headers["set-cookie"].partition(";")[0]
        browser.csrf = answer.json()["csrf_token"]
    return answer


def test_the_session_that_asked_goes_on_by_another_token_and_all_others_are_over(
    desk: SignInDesk,
) -> None:
    desk.add("ann", "auditor")
    ann, elsewhere = desk.browser("ann"), desk.browser("ann", "198.51.100.1")
    stolen, csrf = ann.cookie, ann.csrf
    began = ann.call("GET", SESSION).json()["began_at"]
    answer = change(ann)
    assert (answer.status_code, answer.json()["name"], answer.json()["ended"]) == (200, "ann", 1)
    assert "; Path=/; HttpOnly; SameSite=Strict; Max-Age=" in answer.headers["set-cookie"]
    assert ann.call("GET", SESSION).json()["began_at"] == began
    assert (ann.cookie, ann.csrf) != (stolen, csrf)
    assert ann.call("GET", STATUS).status_code == 200
    assert elsewhere.call("GET", STATUS).status_code == 401
    assert desk.call("GET", STATUS, None, {"Cookie": stolen}).status_code == 401
    assert Browser(desk).log_in("ann").status_code == 401
    assert Browser(desk).log_in("ann", ANOTHER).status_code == 200
    (event,) = desk.recorded("USER_CHANGED", 1)
    assert (event.actor_id, event.details["changed"]) == ("ann", "password")
    told = answer.text + event.message
    assert PASSWORD not in told
    assert ANOTHER not in told


@pytest.mark.parametrize(
    ("sent", "code", "why"),
    [
        ({"old": "a guess"}, 403, "old: is not the password"),
        ({"new": "short"}, 400, "new: needs 15 characters"),
        ({"new": PASSWORD}, 400, "new: is the old one"),
        ({"new": "bob bob bob bob bob"}, 400, "new: "),
        ({"who": "olga"}, 400, "who"),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    desk: SignInDesk, sent: dict[str, str], code: int, why: str
) -> None:
    if all(one["name"] != "bob" for one in desk.owner("GET", "/api/v1/users").json()["users"]):
        desk.add("bob", "auditor")
    bob = desk.browser("bob")
    refused = bob.call("PUT", OWN, {"old": PASSWORD, "new": ANOTHER, **sent})
    assert refused.status_code == code, refused.text
    assert why in refused.json()["detail"]
    assert PASSWORD not in refused.text
    assert bob.call("GET", STATUS).status_code == 200
    assert Browser(desk).log_in("bob").status_code == 200


def test_a_stolen_session_is_no_way_to_guess_the_password(
    desk: SignInDesk, wait_until: Callable[..., Any]
) -> None:
    desk.add("eve", "auditor")
    thief = desk.browser("eve", "203.0.113.8")
    before = desk.metric('risk_security_events_total{kind="login_failed"}') or 0
    answers = [change(thief, f"guess {number}") for number in range(7)]
    assert [answer.status_code for answer in answers[:5]] == [403] * 5
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert change(thief).status_code == 429, "not even the right one"
    assert desk.metric('risk_security_events_total{kind="login_failed"}') == before + 8
    wait_until(lambda: desk.recorded("LOGIN_REFUSED", 1)[0].actor_id == "eve", what="on record")
    assert desk.browser("eve", "198.51.100.3").call("GET", STATUS).status_code == 200


def test_who_has_an_authenticator_shows_it(desk: SignInDesk) -> None:
    desk.add("tina", "auditor")
    totp = pyotp.TOTP(desk.enrol("tina"))
    tina = desk.browser("tina", totp=totp.now())
    for code in ("", "000000"):
        refused = change(tina, totp=code)
        assert (refused.status_code, refused.json()["needs_totp"]) == (403, True)
    later = totp.at(datetime.now(UTC) + timedelta(seconds=30))
    assert change(tina, totp=later).status_code == 200


def test_it_takes_a_session_and_its_own_token(desk: SignInDesk) -> None:
    desk.add("max", "admin")
    body = {"old": PASSWORD, "new": ANOTHER}
    by_token = desk.call("PUT", OWN, body, {"Authorization": f"Bearer {OWNER}"}, HERE)
    assert (by_token.status_code, by_token.headers.get("set-cookie")) == (409, None)
    assert desk.call("PUT", OWN, body).status_code == 401
    browser = desk.browser("max")
    for forged in ({"X-CSRF-Token": "x"}, {"Origin": "https://evil.example"}):
        assert browser.call("PUT", OWN, body, forged).status_code == 403
    assert Browser(desk).log_in("max").status_code == 200

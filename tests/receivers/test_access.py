"""Who may what: every row of the table of permissions, for every role, on a running service."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from risk_policy.model.permissions import Permissions
from risk_policy.vocabulary import Permission, Role
from risk_receivers.access import NEEDS, OPEN, Access
from risk_receivers.auth import Key, Tokens
from risk_receivers.caller import guard
from risk_receivers.telemetry import Telemetry

ALL = {"admin", "risk_manager", "trading_ops", "quant_analyst", "auditor"}
DESK = {"admin", "risk_manager", "trading_ops"}
LOOSENERS = {"admin", "risk_manager"}
LOOSENED = [
    *("POST /api/v1/system/kill-switch/clear", "POST /api/v1/system/kill-switch/disarm"),
    "POST /api/v1/restrictions/r1/resume",
    "POST /api/v1/high-water-mark",
]
#: What does not end by itself is asked elsewhere, with a reader that ends it.
STREAMS = {f"GET {path}" for path in ("/ws/alerts", "/ws/metrics")} | {
    f"GET /api/v1/stream/{name}" for name in ("alerts", "metrics")
}
#: The table as the shipped policy has it, and what each row lets somebody ask. What needs a body
#: is asked without one: whoever may is told that something is missing, and nothing happens.
TABLE: dict[str, tuple[set[str], list[str]]] = {
    "read": (
        ALL,
        [
            *("GET /api/v1/system/status", "GET /api/v1/alerts", "GET /api/v1/silences"),
            *("GET /api/v1/channels", "GET /api/v1/dead-letters", "GET /api/v1/gate"),
            *("GET /api/v1/restrictions", "GET /api/v1/alerts/stats", "GET /api/v1/alerts/open"),
            *("GET /api/v1/alerts/dd/main:x:1", "GET /api/v1/metrics/history"),
            *("GET /api/v1/metrics/current", "GET /api/v1/drills"),
            "PUT /api/v1/session/password",
        ],
    ),
    "audit_read": (
        {"admin", "risk_manager", "auditor"},
        [
            *("GET /api/v1/audit", "GET /api/v1/audit/1", "GET /api/v1/audit/1/proof"),
            *("GET /api/v1/tokens", "GET /api/v1/reports", "GET /api/v1/reports/none"),
            *("GET /api/v1/security", "GET /api/v1/users", "GET /api/v1/users/nobody/sessions"),
        ],
    ),
    "acknowledge": (
        DESK,
        [
            "POST /api/v1/alerts/dd/main:x:1/acknowledge",
            "DELETE /api/v1/alerts/dd/main:x:1/acknowledge",
            "POST /api/v1/alerts/dd/main:x:1/comments",
            "DELETE /api/v1/silences/none",
        ],
    ),
    "trip": (DESK, ["POST /api/v1/kill", "POST /api/v1/system/kill-switch"]),
    "arm": (LOOSENERS, ["POST /api/v1/system/kill-switch/arm"]),
    "loosen": (LOOSENERS, LOOSENED),
    "confirm": (LOOSENERS, LOOSENED),
    "drill": (DESK, ["POST /api/v1/drills", "POST /api/v1/golive"]),
    "manage_channels": (
        DESK,
        [
            *("POST /api/v1/channels/test", "POST /api/v1/dead-letters/resend"),
            "POST /api/v1/dead-letters/dismiss",
        ],
    ),
    "manage_tokens": (
        {"admin"},
        [
            *("POST /api/v1/tokens", "DELETE /api/v1/tokens/nobody"),
            *("POST /api/v1/audit/signing-key", "POST /api/v1/users"),
            *("DELETE /api/v1/users/nobody", "POST /api/v1/users/nobody/disable"),
            *("POST /api/v1/users/nobody/enable", "PUT /api/v1/users/nobody/password"),
            *("PUT /api/v1/users/nobody/roles", "POST /api/v1/users/nobody/totp"),
            *("DELETE /api/v1/users/nobody/totp", "DELETE /api/v1/users/nobody/sessions"),
            "DELETE /api/v1/security/blocks/192.0.2.255",
        ],
    ),
}


def make(receivers: Any, name: str, *roles: str, **more: Any) -> Any:
    body = {"name": name, "roles": roles, "actor": "owner", **more}
    return receivers.call("POST", "/api/v1/tokens", json=body)


def token_of(receivers: Any, name: str, *roles: str, **more: Any) -> str:
    answer = make(receivers, name, *roles, **more)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


@pytest.fixture(scope="module")
def desk(shared: Any) -> dict[str, str]:
    """A token for every role."""
    return {role: token_of(shared, f"a-{role}", role) for role in sorted(ALL)}


@pytest.mark.parametrize("role", sorted(ALL))
@pytest.mark.parametrize("permission", TABLE)
def test_every_row_of_the_table_lets_in_whom_it_names_and_nobody_else(
    permission: str, role: str, shared: Any, desk: dict[str, str]
) -> None:
    may, requests = TABLE[permission]
    for asked in requests:
        method, path = asked.split()
        answer = shared.call(method, path, token=desk[role], json=None if method == "GET" else {})
        if role in may:
            assert answer.status_code in (200, 400, 404, 409, 503), (asked, answer.text)
            continue
        assert answer.status_code == 403, (asked, answer.text)
        error = answer.json()["detail"]
        assert f"the token a-{role} is of {role} and lacks permission" in error
        assert permission in error
        assert "alerting.auth.operator_token names, or one of" in error
    assert not shared.gate_says_halt()


def test_the_rows_are_all_there_are_and_cover_everything_that_people_are_served() -> None:
    assert list(TABLE) == [permission.value for permission in Permission]
    assert {role.value for role in Role} == ALL
    asked = {request for _, requests in TABLE.values() for request in requests}
    served = {
        what.replace("<incident:incident>", "dd/main:x:1")
        .replace("<int:seq>", "1")
        .replace("<name>", "nobody")
        .replace("<blocked>", "192.0.2.255")
        .replace("<silence>", "none")
        .replace("<report>", "none")
        .replace("{id}", "r1")
        for what, needs in NEEDS.items()
        if not all(isinstance(need, Key) for need in needs)
    }
    assert asked | STREAMS == served
    assert not OPEN & NEEDS.keys()


def test_nothing_can_be_served_that_is_in_no_table() -> None:
    app = Flask("another")
    app.add_url_rule("/api/v1/forgotten", view_func=lambda: "all secrets")
    access = Access(Tokens({}), Permissions(), Telemetry(), lambda *_: None)
    with pytest.raises(LookupError, match="who may have GET /api/v1/forgotten"):
        guard(app, access)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT"])
def test_no_other_method_is_a_way_around(shared: Any, desk: dict[str, str], method: str) -> None:
    for path in ("/api/v1/audit", "/api/v1/tokens", "/api/v1/kill"):
        answer = shared.call(method, path, token=desk["quant_analyst"])
        assert answer.status_code in (403, 405), (path, answer.text)


def test_machines_keep_to_their_own_doors(shared: Any) -> None:
    for served, needs in NEEDS.items():
        what = re.sub(r"<int:\w+>", "1", re.sub(r"<\w+>", "x", served))
        what = what.replace("<incident:incident>", "x:y:1")
        method, path = what.split()
        for key in (Key.ALERT_FEED, Key.NOTIFICATION_FEED, Key.RUNTIME):
            secret = key.value.replace("_token", "-secret").replace("_", "-")
            code = shared.call(method, path, token=secret, json={}).status_code
            assert (code == 403) == (key not in needs), (what, key, code)


# -- whose name stands in the record -----------------------------------------------------------


def test_whoever_has_a_token_of_their_own_passes_for_nobody_else(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    ann = token_of(receivers, "ann", "risk_manager")
    body = {"mode": "pause", "reason": "the exchange is down", "actor": "bob"}
    kill = receivers.call("POST", "/api/v1/kill", token=ann, json=body)
    assert kill.status_code == 200, kill.text
    assert receivers.gate_says_halt()
    order = {"actor": "bob", "reason": "it is up", "kill_id": kill.json()["kill_id"]}
    first = receivers.call("POST", "/api/v1/system/kill-switch/clear", token=ann, json=order)
    order["confirmation"] = first.json()["confirmation"]
    # The code was given to ann, whatever the request says.
    owners = receivers.call("POST", "/api/v1/system/kill-switch/clear", json=order)
    assert (owners.status_code, receivers.gate_says_halt()) == (409, True)
    order["actor"] = "carol"
    cleared = receivers.call("POST", "/api/v1/system/kill-switch/clear", token=ann, json=order)
    assert cleared.status_code == 200, cleared.text
    who = {
        str(e.event_type): (e.payload.actor_type, e.payload.actor_id, e.payload.details)
        for e in receivers.chain()
        if e.event_type.startswith(("KILL", "TOKEN"))
    }
    for kind in ("ACTIVATED", "LOOSENING_ASKED", "CLEARED"):
        assert who[f"KILL_SWITCH_{kind}"][:2] == ("USER", "ann")
        details = who[f"KILL_SWITCH_{kind}"][2]
        assert (details["token"], details["address"]) == ("ann", "127.0.0.1")
    made = who["TOKEN_CREATED"]
    assert made[:2] == ("USER", "owner"), "with the machine owner's token it is who they say"
    assert made[2]["token"] == "operator_token"
    assert (made[2]["name"], made[2]["roles"]) == ("ann", ["risk_manager"])
    assert made[2]["address"] == "127.0.0.1"


SECOND_PERSON = """
[alerting.kill_switch]
needs_second_person = true
[alerting.permissions]
loosen = ["admin", "trading_ops"]
confirm = ["admin", "risk_manager"]
"""


@pytest.fixture
def careful(stopped: Any) -> Any:
    """A service where others confirm than ask."""
    stopped.policy.write_text(stopped.policy.read_text() + SECOND_PERSON)
    stopped.environ["RISKWARDEN_APPROVER_TOKEN"] = "approver-secret"
    return stopped.start()


def test_the_second_person_is_another_name_that_may_confirm(
    careful: Any, wait_until: Callable[..., Any]
) -> None:
    tom, ann, oscar = (
        token_of(careful, name, role)
        for name, role in (("tom", "trading_ops"), ("ann", "risk_manager"), ("oscar", "admin"))
    )
    kill_id = careful.operator_kill("pause").json()["kill_id"]

    def clear(token: str, code: str = "") -> Any:
        body = {"actor": "x", "reason": "over", "kill_id": kill_id, "confirmation": code}
        return careful.call("POST", "/api/v1/system/kill-switch/clear", token=token, json=body)

    denied = clear(ann)
    assert (denied.status_code, "permission loosen" in denied.json()["detail"]) == (403, True)
    code = clear(tom).json()["confirmation"]
    assert careful.gate_says_halt()
    denied = clear(tom, code)
    assert (denied.status_code, "permission confirm" in denied.json()["detail"]) == (403, True)
    assert clear(ann, code).status_code == 200
    wait_until(careful.gate_is_open)

    kill_id = careful.operator_kill("pause").json()["kill_id"]
    code = clear(oscar).json()["confirmation"]
    denied = clear(oscar, code)
    assert denied.status_code == 409
    assert "somebody else than oscar has to confirm it" in denied.json()["detail"]
    assert careful.gate_says_halt()
    assert clear("approver-secret", code).status_code == 200, "a second admin's"
    unreadable = careful.call(
        "POST", "/api/v1/system/kill-switch/clear", token=oscar, json={"reason": 1}
    )
    assert unreadable.status_code == 400
    careful.stop()
    refused = [e for e in careful.chain() if e.event_type == "ACCESS_REFUSED"]
    assert {(e.payload.actor_id, e.payload.action_reason) for e in refused} == {
        ("ann", "lacks permission loosen"),
        ("tom", "lacks permission confirm"),
        ("oscar", "a request about the kill switch that cannot be read"),
    }
    assert all(e.payload.details["paths"] == ["/api/v1/system/kill-switch/clear"] for e in refused)
    assert careful.verified().ok


def test_who_was_refused_is_on_record_by_name_and_the_secret_nowhere(
    receivers: Any, wait_until: Callable[..., Any]
) -> None:
    quinn = token_of(receivers, "quinn", "quant_analyst")
    for _ in range(20):
        assert receivers.call("POST", "/api/v1/kill", token=quinn, json={}).status_code == 403
        assert receivers.call("GET", "/api/v1/audit", token=quinn).status_code == 403
        assert receivers.call("GET", "/api/v1/audit", token=quinn + "0").status_code == 401
    assert receivers.stop() == 0
    refused = [e.payload for e in receivers.chain() if e.event_type == "ACCESS_REFUSED"]
    counts: dict[str, int] = {}
    for one in refused:
        counts[one.actor_id or ""] = counts.get(one.actor_id or "", 0) + one.details["count"]
    assert counts == {"quinn": 40, "": 20}, "as often as it was, in a few records"
    assert len(refused) <= 4
    by_name = next(one for one in refused if one.actor_id == "quinn")
    assert by_name.message == (
        f"quinn at 127.0.0.1 was refused {by_name.details['count']} "
        f"time{'s' * (by_name.details['count'] > 1)}: lacks permission trip"
    )
    for folder in (receivers.data, receivers.data.parent):
        for path in (p for p in Path(folder).rglob("*") if p.is_file()):
            assert quinn[-64:].encode() not in path.read_bytes(), path

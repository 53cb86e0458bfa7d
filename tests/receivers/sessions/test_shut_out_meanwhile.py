"""Who is shut out while a request of theirs is still on its way does nothing by it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import Any

import pytest
from sign_in_desk import HERE, OWNER, SignInDesk, sign_in_desk

SWITCH = "/api/v1/system/kill-switch"
ORDERS: dict[str, dict[str, Any]] = {
    "/api/v1/kill": {"mode": "pause"},
    f"{SWITCH}/disarm": {},
    f"{SWITCH}/arm": {},
    "/api/v1/users/zoe/enable": {},
}
ORDER = {"actor": "x", "reason": "a try"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignInDesk]:
    with sign_in_desk(tmp_path_factory.mktemp("desk")) as opened:
        opened.add("zoe", "auditor")
        yield opened


def ask(
    desk: SignInDesk,
    path: str,
    headers: Mapping[str, str],
    meanwhile: Callable[[], Awaitable[object]],
) -> int:
    """Send a request whose body comes only after something else has happened."""
    sent: list[MutableMapping[str, Any]] = []
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "http_version": "1.1",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1:9465"),
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
        ],
        "client": (HERE, 4711),
    }
    body = json.dumps({**ORDER, **ORDERS[path]} if "users" not in path else {"actor": "x"})

    async def receive() -> MutableMapping[str, Any]:
        await meanwhile()
        return {"type": "http.request", "body": body.encode(), "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    app: Any = desk.service.front
    desk.loop.run(app(scope, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize("path", ORDERS)
def test_a_token_that_is_revoked_meanwhile_opens_nothing(desk: SignInDesk, path: str) -> None:
    made = desk.owner("POST", "/api/v1/tokens", {"name": "bot", "roles": ["admin"], "actor": "x"})
    owner = {"Authorization": f"Bearer {OWNER}"}

    async def revoke() -> None:
        answer = await desk.ask("DELETE", "/api/v1/tokens/bot", {"actor": "x"}, owner, "127.0.0.1")
        assert answer.status_code == 200

    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    assert ask(desk, path, headers, revoke) == 401
    assert desk.owner("GET", "/api/v1/system/status").json()["kill_switch"]["state"] == "ARMED"


@pytest.mark.parametrize(
    ("path", "change"),
    [
        *((path, "disable") for path in ORDERS),
        ("/api/v1/kill", "roles"),
        ("/api/v1/kill", "log out"),
    ],
)
def test_a_session_that_ends_meanwhile_opens_nothing(
    desk: SignInDesk, path: str, change: str
) -> None:
    desk.add("max", "admin")
    browser = desk.browser("max")
    mine = {"Cookie": browser.cookie, "X-CSRF-Token": browser.csrf}
    owner = {"Authorization": f"Bearer {OWNER}"}
    how: dict[str, tuple[str, str, dict[str, Any], dict[str, str]]] = {
        "disable": ("POST", "/api/v1/users/max/disable", {"actor": "x"}, owner),
        "roles": ("PUT", "/api/v1/users/max/roles", {"actor": "x", "roles": ["auditor"]}, owner),
        "log out": ("DELETE", "/api/v1/session", {}, mine),
    }

    async def end() -> None:
        assert (await desk.ask(*how[change])).status_code == 200

    assert ask(desk, path, mine, end) == 401
    assert desk.owner("DELETE", "/api/v1/users/max", {"actor": "x"}).status_code == 200
    assert desk.owner("GET", "/api/v1/system/status").json()["kill_switch"]["state"] == "ARMED"

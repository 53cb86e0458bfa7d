"""How often somebody may ask, and what is never counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sign_in_desk import OWNER, SignInDesk, sign_in_desk

STATUS = "/api/v1/channels"
MOST = 20


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignInDesk]:
    policy = f"[alerting.dashboard.api]\nrate_limit_per_minute = {MOST}\n"
    with sign_in_desk(tmp_path_factory.mktemp("desk"), policy) as opened:
        yield opened


def test_who_asks_too_often_is_told_when_to_come_again_and_nobody_else_pays(
    desk: SignInDesk,
) -> None:
    desk.add("ann", "auditor")
    desk.add("bob", "auditor")
    ann, bob = desk.browser("ann"), desk.browser("bob")
    # A minute may end in between, once.
    codes = [ann.call("GET", STATUS).status_code for _ in range(2 * MOST + 1)]
    assert set(codes) == {200, 429}
    assert codes[:MOST] == [200] * MOST
    while (answer := ann.call("GET", STATUS)).status_code == 200:
        pass
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["content-type"] == "application/problem+json"
    assert f"rate_limit_per_minute = {MOST}" in answer.json()["detail"]
    assert bob.call("GET", STATUS).status_code == 200, "from the same address"
    assert (desk.metric('risk_security_events_total{kind="rate_limited"}') or 0) >= 1

    # Whoever is unknown is counted by address, and then not even refused any more.
    codes = [desk.call("GET", STATUS).status_code for _ in range(2 * MOST + 1)]
    assert set(codes) == {401, 429}
    assert desk.call("GET", STATUS, address="203.0.113.10").status_code == 401
    assert bob.call("GET", STATUS).status_code == 200, "who is known does not pay for strangers"


@pytest.mark.parametrize(
    ("asked", "token"),
    [
        ("POST /api/v2/alerts", "alert-feed-secret"),
        ("POST /api/v1/notifications", "notification-feed-secret"),
        ("POST /api/v1/runtime/reports", "runtime-secret"),
        ("GET /api/v1/gate", "runtime-secret"),
        ("POST /api/v1/kill", OWNER),
        ("GET /api/v1/system/status", OWNER),
        ("GET /healthz", ""),
        ("GET /readyz", ""),
        ("GET /metrics", ""),
    ],
)
def test_machines_probes_and_the_kill_are_never_counted(
    desk: SignInDesk, asked: str, token: str
) -> None:
    method, path = asked.split()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for _ in range(2 * MOST + 1):
        answer = desk.call(method, path, None, headers)
        assert answer.status_code != 429, asked

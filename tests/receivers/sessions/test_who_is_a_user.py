"""Who becomes a user, and who does not, on the whole service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sign_in_desk import PASSWORD, Browser, SignInDesk, sign_in_desk

from risk_receivers.errors import StartError

SESSION = "/api/v1/session"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignInDesk]:
    with sign_in_desk(tmp_path_factory.mktemp("desk")) as opened:
        opened.add("ann", "risk_manager")
        yield opened


def test_nobody_makes_more_of_themselves(tmp_path: Path) -> None:
    policy = '[alerting.permissions]\nmanage_tokens = ["admin", "trading_ops"]\n'
    with sign_in_desk(tmp_path, policy) as desk:
        desk.add("tom", "trading_ops")
        desk.add("boss", "admin")
        tom = desk.browser("tom")
        order = {"actor": "tom", "password": PASSWORD, "roles": ["admin"]}
        for method, path, body in (
            ("POST", "/api/v1/users", {**order, "name": "tom2"}),
            ("PUT", "/api/v1/users/tom/roles", {"actor": "tom", "roles": ["admin"]}),
            ("PUT", "/api/v1/users/boss/password", {"actor": "tom", "password": PASSWORD}),
            ("POST", "/api/v1/users/boss/totp", {"actor": "tom"}),
            ("DELETE", "/api/v1/users/boss/totp", {"actor": "tom"}),
            ("DELETE", "/api/v1/users/boss/sessions", {"actor": "tom"}),
        ):
            denied = tom.call(method, path, body)
            assert denied.status_code == 403, (path, denied.text)
            assert "lacks permission" in denied.json()["detail"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"name": "Ann"}, "name"),
        ({"name": "operator_token"}, "name"),
        ({"roles": []}, "roles"),
        ({"roles": ["owner"]}, "roles"),
        ({"password": "too short"}, "15 characters"),
        ({"password": "passwordpassword"}, "everybody"),
        ({"password": None}, "password"),
        ({"password": "x" * 300}, "password"),
        ({"actor": ""}, "actor"),
        ({"admin": True}, "admin"),
    ],
)
def test_a_user_that_makes_no_sense_is_refused_by_name(
    desk: SignInDesk, body: dict[str, Any], named: str
) -> None:
    whole = {"name": "new", "roles": ["auditor"], "password": PASSWORD, "actor": "owner", **body}
    answer = desk.owner("POST", "/api/v1/users", whole)
    assert answer.status_code == 400
    assert named in answer.json()["detail"]
    assert str(body.get("password", "none")) not in answer.text.replace("password", "")
    again = desk.owner("POST", "/api/v1/users", {**whole, "name": "ann", "password": PASSWORD})
    assert again.status_code in (400, 409)


def test_the_first_user_can_be_named_by_the_environment_and_has_no_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHBOARD_USER", "boss")
    monkeypatch.setenv("DASHBOARD_PASSWORD", "admin")
    with (
        pytest.raises(StartError, match=r"dashboard.auth.password: needs 15"),
        sign_in_desk(tmp_path / "weak"),
    ):
        pass
    monkeypatch.delenv("DASHBOARD_PASSWORD")
    monkeypatch.setenv("DASHBOARD_PASSWORD_FILE", str(tmp_path / "gone"))
    with (
        pytest.raises(StartError, match=r"DASHBOARD_PASSWORD_FILE names .*gone, which"),
        sign_in_desk(tmp_path / "unread"),
    ):
        pass
    monkeypatch.setenv("DASHBOARD_PASSWORD", PASSWORD)
    with sign_in_desk(tmp_path / "good") as desk:
        assert desk.browser("boss").call("GET", SESSION).json()["roles"] == ["admin"]
    monkeypatch.setenv("DASHBOARD_PASSWORD", "a password of another")
    with sign_in_desk(tmp_path / "good") as desk:
        desk.browser("boss")  # the first one's is good, and stays so
        assert Browser(desk).log_in("boss", "a password of another").status_code == 401


def test_where_logging_in_is_switched_off_tokens_alone_are_good(tmp_path: Path) -> None:
    with sign_in_desk(tmp_path, "[alerting.dashboard.auth]\nenabled = false\n") as desk:
        desk.add("ann", "admin")
        answer = Browser(desk).log_in("ann")
        assert answer.status_code == 403
        assert "alerting.dashboard.auth.enabled" in answer.json()["detail"]
        assert not desk.call("GET", SESSION).json()["can_log_in"]
        assert desk.owner("GET", "/api/v1/system/status").status_code == 200

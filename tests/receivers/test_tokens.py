"""Tokens that people are given: told once, kept as a hash, and no good a moment too long."""

from __future__ import annotations

import fcntl
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result
from writers import started

from risk_policy.contracts.operator import GIVEN_TOKEN
from risk_policy.vocabulary import Role
from risk_receivers.store.errors import StoreError
from risk_receivers.tokens.book import Book, Unfit
from risk_receivers.tokens.registry import Doing, Registry
from riskwarden.app import application

# -- on a running service ----------------------------------------------------------------------


def create(receivers: Any, name: str, *roles: str, by: str = "", **more: Any) -> Any:
    body = {"name": name, "roles": roles, "actor": "owner", **more}
    return receivers.call("POST", "/api/v1/tokens", token=by or "operator-secret", json=body)


def revoke(receivers: Any, name: str, reason: str = "") -> Any:
    body = {"actor": "owner", "reason": reason}
    return receivers.call("DELETE", f"/api/v1/tokens/{name}", json=body)


def status_with(receivers: Any, token: str) -> int:
    return int(receivers.call("GET", "/api/v1/system/status", token=token).status_code)


def listed(receivers: Any) -> dict[str, Any]:
    found = receivers.call("GET", "/api/v1/tokens").json()["tokens"]
    return {one["name"]: one for one in found}


@contextmanager
def hanging(receivers: Any) -> Iterator[None]:
    """A store that records nothing meanwhile."""
    lock = receivers.database.with_name(f"{receivers.database.name}.lock")
    with lock.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def test_a_token_is_told_once_and_only_its_hash_is_kept(receivers: Any) -> None:
    answer = create(receivers, "ann", "risk_manager", reason="joined the desk")
    made = answer.json()
    token = made.pop("token")
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch(GIVEN_TOKEN, token)
    assert status_with(receivers, token) == 200
    (row,) = receivers.rows("SELECT id, name, roles, digest FROM given_token")
    assert row == (made["id"], "ann", "risk_manager", hashlib.sha256(token.encode()).digest())
    until = datetime.fromisoformat(made["expires_at"])
    assert until - datetime.fromisoformat(made["created_at"]) == timedelta(days=90)
    assert token not in receivers.call("GET", "/api/v1/tokens").text
    assert listed(receivers)["ann"]["last_used_at"] is not None

    receivers.stop()
    receivers.start()
    assert status_with(receivers, token) == 200, "a restart forgets nobody"
    receivers.stop()
    secret = token.split("_")[2].encode()
    for path in (path for path in receivers.data.parent.rglob("*") if path.is_file()):
        assert secret not in path.read_bytes(), path
    (used,) = receivers.rows("SELECT last_used_at FROM given_token")
    assert used[0] > made["created_at"]
    (event,) = [e for e in receivers.chain() if e.event_type == "TOKEN_CREATED"]
    assert event.payload.message == "owner made the token ann for risk_manager"
    assert event.payload.action_reason == "joined the desk"
    assert event.payload.details["id"] == made["id"]


def test_a_revoked_token_stops_at_once_and_stays_stopped(receivers: Any) -> None:
    token = create(receivers, "tom", "trading_ops").json()["token"]
    assert status_with(receivers, token) == 200
    done = revoke(receivers, "tom", "left the desk")
    assert done.status_code == 200
    answer = receivers.call("POST", "/api/v1/kill", token=token, json={})
    assert answer.status_code == 401
    assert answer.json()["detail"].startswith("the token tom was revoked; send the bearer token ")
    assert revoke(receivers, "tom").status_code == 404
    again = create(receivers, "tom", "auditor").json()["token"]
    assert (status_with(receivers, again), status_with(receivers, token)) == (200, 401)
    receivers.stop()
    receivers.start()
    assert (status_with(receivers, again), status_with(receivers, token)) == (200, 401)
    receivers.stop()
    (event,) = [e for e in receivers.chain() if e.event_type == "TOKEN_REVOKED"]
    assert (event.payload.actor_id, event.payload.action_reason) == ("owner", "left the desk")
    refused = [e.payload for e in receivers.chain() if e.event_type == "ACCESS_REFUSED"]
    assert ("tom", "the token tom was revoked") in {
        (one.actor_id, one.action_reason) for one in refused
    }


def test_an_expired_token_stops_by_itself(shared: Any, wait_until: Callable[..., Any]) -> None:
    token = create(shared, "contractor", "auditor", days=1.5 / 86_400).json()["token"]
    assert status_with(shared, token) == 200
    assert create(shared, "contractor", "auditor").status_code == 409, "there is one"
    wait_until(lambda: status_with(shared, token) == 401)
    error = shared.call("GET", "/api/v1/system/status", token=token).json()["detail"]
    assert error.startswith("the token contractor expired at ")
    assert "expired" in listed(shared)["contractor"]["fault"]
    assert create(shared, "contractor", "auditor").status_code == 200


def test_a_store_that_hangs_keeps_nobody_from_tripping_and_no_token_from_being_revoked(
    receivers: Any, wait_until: Callable[..., Any]
) -> None:
    tom = create(receivers, "tom", "trading_ops").json()["token"]
    eve = create(receivers, "eve", "admin").json()["token"]
    wait_until(receivers.gate_is_open)
    with ThreadPoolExecutor(2) as pool:
        with hanging(receivers):
            revoking = pool.submit(revoke, receivers, "eve")
            wait_until(lambda: status_with(receivers, eve) == 401)
            body = {"mode": "immediate", "reason": "the store hangs", "actor": "tom"}
            begun = time.monotonic()
            killing = pool.submit(receivers.call, "POST", "/api/v1/kill", token=tom, json=body)
            wait_until(receivers.gate_says_halt)
            assert time.monotonic() - begun < 1.0
        killing.result()
        assert revoking.result().status_code == 200
    assert status_with(receivers, eve) == 401
    wait_until(lambda: "KILL_SWITCH_ACTIVATED" in receivers.event_types())
    (event,) = [e for e in receivers.chain() if e.event_type == "KILL_SWITCH_ACTIVATED"]
    assert event.payload.actor_id == "tom"


def test_what_the_store_cannot_take_revokes_all_the_same_and_can_be_asked_again(
    tmp_path: Path,
) -> None:
    writer = started(tmp_path / "audit.db")
    book = Book()
    registry = Registry(writer, book)
    doing = Doing("owner", "operator_token", "127.0.0.1")
    _, text = registry.create("ann", [Role.AUDITOR], timedelta(days=1), doing)
    writer.stop()
    for _ in range(2):
        with pytest.raises(StoreError):
            registry.revoke("ann", doing)
        assert isinstance(book.find(text.encode()), Unfit)
    with pytest.raises(StoreError):
        registry.create("bob", [Role.AUDITOR], timedelta(days=1), doing)
    assert book.standing("bob") is None


def test_nobody_makes_more_of_themselves_by_making_a_token(stopped: Any) -> None:
    stopped.policy.write_text(
        stopped.policy.read_text()
        + '[alerting.permissions]\nmanage_tokens = ["admin", "trading_ops"]\n'
    )
    receivers = stopped.start()
    tom = create(receivers, "tom", "trading_ops").json()["token"]
    for role in ("admin", "risk_manager"):
        more = create(receivers, "tom2", role, by=tom)
        assert more.status_code == 403
        assert "lacks permission" in more.json()["detail"]
    made = create(receivers, "quinn", "quant_analyst", by=tom)
    assert made.status_code == 200
    assert made.json()["created_by"] == "tom", "whatever was said"
    assert "tom2" not in listed(receivers)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"name": "Ann"}, "name"),
        ({"name": "operator_token"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"roles": []}, "roles"),
        ({"roles": ["owner"]}, "roles"),
        ({"days": 0}, "days"),
        ({"days": 366}, "most_token_days"),
        ({"days": 1e308}, "days"),
        ({"actor": ""}, "actor"),
        ({"secret": "mine"}, "secret"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused_by_name(
    shared: Any, body: dict[str, Any], named: str
) -> None:
    whole = {"name": "ann", "roles": ["auditor"], "actor": "owner", **body}
    answer = shared.call("POST", "/api/v1/tokens", json=whole)
    assert answer.status_code == 400
    assert named in answer.json()["detail"]
    assert "ann" not in listed(shared)


# -- the commands ------------------------------------------------------------------------------


def riskwarden(*arguments: object) -> Result:
    given_ones = [str(argument) for argument in arguments]
    return CliRunner().invoke(application(given_ones), given_ones)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("OPERATOR_TOKEN", "APPROVER_TOKEN", "TOKEN", "TOKEN_FILE"):
        monkeypatch.delenv(f"RISKWARDEN_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_a_token_is_made_used_listed_and_revoked_by_commands(
    receivers: Any, shell: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    where = ("--receivers", receivers.url)
    shell.setenv("RISKWARDEN_OPERATOR_TOKEN", "operator-secret")
    made = riskwarden("token", "create", "olga", "--role", "auditor", "--days", "7", *where)
    assert made.exit_code == 0, made.output
    token = made.stdout.strip()
    assert re.fullmatch(GIVEN_TOKEN, token)
    assert token not in made.stderr
    assert "token olga of auditor, good until" in made.stderr
    again = riskwarden("token", "create", "olga", "--role", "auditor", *where)
    assert (again.exit_code, "there is a token named olga" in again.stderr) == (1, True)

    # With a token of her own she is herself, though the owner's is there, too.
    keep = tmp_path / "token"
    keep.write_text(f"{token}\n")
    shell.setenv("RISKWARDEN_TOKEN_FILE", str(keep))
    assert "olga" in riskwarden("token", "list", *where).stdout
    denied = riskwarden("token", "revoke", "olga", *where)
    assert denied.exit_code == 1
    assert "the token olga is of auditor and lacks permission manage_tokens" in denied.stderr
    # But whoever can stop the account does, with whatever there is.
    assert riskwarden("kill", "--mode", "pause", "--reason", "x", *where).exit_code == 0
    assert receivers.gate_says_halt()
    keep.write_text("")
    nothing = riskwarden("status", *where)
    assert (nothing.exit_code, "RISKWARDEN_TOKEN_FILE" in nothing.stderr) == (2, True)

    shell.delenv("RISKWARDEN_TOKEN_FILE")
    done = riskwarden("token", "revoke", "olga", "--reason", "done", *where)
    assert done.exit_code == 0, done.output
    assert "nobody has a token of their own" in riskwarden("token", "list", *where).stdout
    assert "revoked" in riskwarden("token", "list", "--all", *where).stdout
    shell.setenv("RISKWARDEN_TOKEN", token)
    gone = riskwarden("status", *where)
    assert (gone.exit_code, "the token olga was revoked" in gone.stderr) == (1, True)
    assert token not in receivers.log


def test_a_clearing_is_in_the_name_of_whose_token_it_is(
    receivers: Any, shell: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    where = ("--receivers", receivers.url)
    shell.setenv("RISKWARDEN_TOKEN", create(receivers, "ann", "risk_manager").json()["token"])
    assert riskwarden("kill", "--mode", "pause", "--reason", "x", *where).exit_code == 0
    first = riskwarden("clear", "--reason", "over", *where)
    assert first.exit_code == 0, first.output
    code = re.findall(r"--confirm (\w+)", first.stdout)[0]
    kill_id = re.findall(r"--kill-id (\S+)", first.stdout)[0]
    second = ("--reason", "over", "--confirm", code, "--kill-id", kill_id)
    assert riskwarden("clear", *second, *where).exit_code == 0
    wait_until(receivers.gate_is_open)
    actors = {e.payload.actor_id for e in receivers.chain() if e.event_type.startswith("KILL")}
    assert actors == {"ann"}


def test_a_token_that_is_taken_for_a_name_is_sent_nowhere() -> None:
    secret = f"rw_{'0a' * 6}_{'1b' * 32}"
    words = ["token", "revoke", secret, "--receivers", "http://127.0.0.1:9"]
    environ = {"RISKWARDEN_OPERATOR_TOKEN": "operator-secret", "COLUMNS": "200"}
    done = CliRunner().invoke(application(words), words, env=environ)
    assert done.exit_code == 2
    assert "name whose it is" in done.output
    assert secret not in done.output

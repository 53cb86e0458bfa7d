"""`riskwarden kill` and `status` as somebody woken at night uses them, on a running service."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from free_ports import free_port
from loopback_http import LoopbackServer, Reply
from typer.testing import CliRunner, Result

from risk_policy.contracts import marker
from riskwarden.app import application
from riskwarden.status_words import details, headlines

TOKEN = "RISKWARDEN_OPERATOR_TOKEN"
BROKEN = "[alerting.limits]\nvar_max_pct = 3 and a half, no:"
NEEDS_A_CHANNEL = "[alerting.channels.slack]\nenabled = true\n"
WRONG_ELSEWHERE = "[alerting.limits]\nvar_max_pct = 'much'\n"
AT = "2026-01-02T03:04:05+00:00"
#: What the service answers while its switch is tripped and nobody is flat yet.
TRIPPED: dict[str, Any] = {
    "ready": True,
    "problems": [],
    "kill_switch": {
        "state": "TRIPPED",
        "mode": "immediate",
        "kill_id": "k1",
        "cause": "DRAWDOWN_EMERGENCY",
        "level": "emergency",
        "since": AT,
        "gate_closed_at": AT,
        "flat_confirmed_at": None,
        "flat_accounts": [],
        "waiting_for_accounts": ["main", "other"],
        "triggers": 1,
        "on_record": True,
    },
    "gate": {
        "open": False,
        "halted": True,
        "version": 2,
        "lease_remaining_seconds": 0.5,
        "lease_withheld": [],
        "detail": None,
    },
    "incidents_open": {},
    "incidents_expired": {},
    "messages_pending": {},
    "messages_dead": {},
    "audit": {"size": 9, "checksum": "ab", "intact": True, "damage": None},
    "policy_digest": "cd",
}
WITH_PARTS = ("kill_switch", "gate", "audit")


@pytest.fixture(scope="module")
def armed(tmp_path_factory: pytest.TempPathFactory, shared: Any) -> Any:
    """The data folder of a run as `riskwarden run` leaves it; its kill switch may be tripped."""
    folder = tmp_path_factory.mktemp("run")
    endpoints = {"receivers": f"127.0.0.1:{shared.port}"}
    (folder / "stack.json").write_text(json.dumps({"endpoints": endpoints}))
    (folder / "secrets").mkdir()
    (folder / "secrets" / "operator_token").write_text("operator-secret\n")
    shared.folder = folder
    return shared


@pytest.fixture(autouse=True)
def an_empty_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("RISKWARDEN_") or name == "SLACK_WEBHOOK_URL":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def riskwarden(*arguments: object) -> Result:
    given = [str(argument) for argument in arguments]
    return CliRunner().invoke(application(given), given)


def kill(*arguments: object, reason: str = "a test") -> Result:
    return riskwarden("kill", "--mode", "immediate", "--reason", reason, *arguments)


def reasons(receivers: Any) -> list[str]:
    return [
        event.payload.action_reason
        for event in receivers.chain()
        if event.event_type.startswith("KILL_SWITCH")
    ]


def policy(text: str) -> Path:
    path = Path("policy/alerting.toml")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def status(receivers: Any) -> list[str]:
    done = riskwarden("status", "--data", receivers.folder)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_status_says_first_what_matters_first_and_all_of_it_in_words(
    armed: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(armed.gate_is_open)
    switch, gate, chain, *rest = status(armed)
    assert re.fullmatch(r"KILL SWITCH +armed, not tripped", switch)
    assert re.fullmatch(r"GATE +open, lease of \d\.\d s being renewed", gate)
    assert re.fullmatch(r"AUDIT CHAIN +intact as far as it has been read back, 2 events", chain)
    assert any(re.fullmatch(r"service +ready *", line) for line in rest)
    assert any(re.fullmatch(r"open incidents +none *", line) for line in rest)

    assert kill("--data", armed.folder, reason="a [red]\x1b[31mdrill").exit_code == 0
    switch, gate, chain, *rest = status(armed)
    assert "TRIPPED in mode immediate (everything is closed at once) since 20" in switch
    assert "a [red]\\u001b[31mdrill (operator); NOT FLAT YET" in switch
    assert "CLOSED by the kill switch" in gate
    assert not re.search(r"None|[{}']", "".join([switch, gate, chain, *rest]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kill_switch": {"state": "CLOSING"}}, "closing, NOT FLAT YET: main, other still"),
        (
            {"kill_switch": {"state": "FLAT_CONFIRMED", "flat_confirmed_at": AT}},
            "flat, confirmed at 2026-",
        ),
        ({"kill_switch": {"on_record": False}}, "NOT ON RECORD"),
        ({"kill_switch": {"mode": "pause"}}, "(no new entries, positions stay) since"),
        (
            {"kill_switch": {"mode": "pause", "state": "CLOSING"}},  # orders were cancelled
            "DRAWDOWN_EMERGENCY (emergency)",
        ),
        ({"gate": {"halted": False}}, "CLOSED: orders that add risk are refused, because its lea"),
        (
            {"gate": {"halted": False, "open": True, "lease_withheld": ["Prometheus is silent"]}},
            "open for 0.5 s more, then CLOSED: Prometheus is silent",
        ),
        ({"audit": {"intact": False, "damage": "record 7: gone"}}, "NOT INTACT: record 7: gone"),
        ({"ready": False, "problems": ["worker clock died"]}, "NOT READY: worker clock died"),
        ({"incidents_open": None}, "unknown: the store cannot be read"),
        ({"incidents_open": {"warning": 2, "emergency": 1}}, "1 emergency, 2 warning"),
        ({"incidents_expired": {"critical": 2}}, "2 critical: no longer repeated, and nobody"),
        ({"messages_dead": {"email": 3}}, "3 email"),
    ],
)
def test_every_trouble_is_said_in_so_many_words(change: dict[str, Any], told: str) -> None:
    answer = {
        name: {**part, **change.get(name, {})} if name in WITH_PARTS else change.get(name, part)
        for name, part in TRIPPED.items()
    }
    lines = [*headlines(answer), *details(answer)]
    (line,) = [line for line in lines if told in line.text]
    assert line.is_well == (list(change) == ["incidents_open"])


@pytest.mark.parametrize("text", [BROKEN, NEEDS_A_CHANNEL, WRONG_ELSEWHERE])
def test_a_policy_that_is_being_edited_keeps_nobody_from_the_kill_switch(
    armed: Any, text: str
) -> None:
    policy(text)
    done = kill("--data", armed.folder)
    assert done.exit_code == 0, done.output
    assert "kill switch" in done.stdout
    assert armed.gate_says_halt()
    asked = riskwarden("status", "--data", armed.folder, "--json")
    assert asked.exit_code == 0, asked.output
    assert json.loads(asked.stdout)["kill_switch"]["state"] == "TRIPPED"
    assert done.stderr == asked.stderr == "", "the policy was not needed, so nothing is said of it"


@pytest.mark.parametrize("text", [NEEDS_A_CHANNEL, WRONG_ELSEWHERE])
def test_without_a_run_the_policy_is_asked_for_the_address_alone(
    armed: Any, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(TOKEN, "operator-secret")
    policy(f"{text}[alerting.endpoints]\nreceivers = '127.0.0.1:{armed.port}'\n")
    assert kill().exit_code == 0


def test_where_the_first_does_not_answer_every_peer_is_asked_before_the_gate_is_closed_alone(
    armed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dead = [unused() for _ in range(2)]
    policy(
        f'[alerting.endpoints]\nreceivers = "{dead[0]}"\n[alerting.high_availability]\n'
        f'peers = ["{dead[1]}", "127.0.0.1:{armed.port}"]\n'
    )
    monkeypatch.setenv(TOKEN, "operator-secret")
    mine = tmp_path / "mine"
    (mine / "gate").mkdir(parents=True)
    (mine / "gate" / "gate.lease").write_bytes(bytes(4096))
    done = kill("--data", mine, reason="asked of the third")
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "on record" in said
    assert all(f"http://{address}" in said for address in dead)
    assert "asked of the third" in reasons(armed)
    assert not (mine / "spool").exists(), "or it would trip again when somebody starts there"
    assert not (mine / "gate" / "KILL").exists()


def closed_alone(tmp_path: Path, peers: list[str]) -> bool:
    """Whether a kill beside dead receivers closes the gate of its folder, whatever peers say."""
    policy(
        f'[alerting.endpoints]\nreceivers = "{unused()}"\n'
        f"[alerting.high_availability]\npeers = {json.dumps(peers)}\n"
    )
    gate = tmp_path / "mine" / "gate"
    gate.mkdir(parents=True)
    (gate / "gate.lease").write_bytes(bytes(4096))
    done = kill("--data", gate.parent, reason="alone")
    order = marker.read_order(gate)
    assert done.exit_code == 0, (done.output, done.exception)
    return order is not None and order.reason == "alone"


@pytest.mark.parametrize(
    ("status", "said"),
    [(403, "{}"), (409, "{}"), (500, "{}"), (503, "{}"), (200, '{"ok": true}'), (200, "hello")],
)
def test_what_a_peer_refuses_does_not_keep_the_gate_here_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, said: str
) -> None:
    monkeypatch.setenv(TOKEN, "operator-secret")
    with LoopbackServer() as peer:
        peer.instead = lambda _: Reply(status, said)
        assert closed_alone(tmp_path, [f"127.0.0.1:{peer.port}"])
        assert len(peer.received) == 1


@pytest.mark.parametrize("name", ["desk..two:9465", f"{'x' * 70}:9465", "xn--a:9465"])
def test_a_peer_whose_name_cannot_be_looked_up_does_not_either(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv(TOKEN, "operator-secret")
    assert closed_alone(tmp_path, [name])


def test_where_the_first_could_not_record_it_a_peer_is_asked(
    armed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, "operator-secret")
    with LoopbackServer() as first:
        first.instead = lambda _: Reply(503, '{"detail": "the gate is closed; kept aside"}')
        own = f'[alerting.endpoints]\nreceivers = "127.0.0.1:{first.port}"\n'
        policy(f'{own}[alerting.high_availability]\npeers = ["127.0.0.1:{armed.port}"]\n')
        assert kill(reason="asked of the second").exit_code == 0
        assert "asked of the second" in reasons(armed)
        policy(own)
        done = kill()
    assert done.exit_code == 1, "without a peer it is as the first said"
    assert "the gate is closed; kept aside" in done.stderr


def test_the_policy_may_name_another_variable_for_the_token(
    armed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(f"{NEEDS_A_CHANNEL}[alerting.auth]\noperator_token = '${{DESK_TOKEN}}'\n")
    monkeypatch.setenv("DESK_TOKEN", "operator-secret")
    assert kill("--receivers", armed.url).exit_code == 0


@pytest.mark.parametrize("in_the_shell", ["that of another stack", "two\nlines", "operator-secret"])
def test_a_token_of_another_stack_in_the_shell_does_no_harm(
    armed: Any, monkeypatch: pytest.MonkeyPatch, in_the_shell: str
) -> None:
    monkeypatch.setenv(TOKEN, in_the_shell)
    assert kill("--data", armed.folder).exit_code == 0
    named = kill("--data", armed.folder, "--receivers", f"127.0.0.1:{armed.port}/")
    assert named.exit_code == 0, named.output


def test_no_token_and_a_wrong_one_are_told_without_showing_any(
    armed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = kill("--receivers", armed.url)
    assert none.exit_code == 1
    assert TOKEN in none.stderr
    assert "NOTHING was tripped" in none.stderr
    assert "--data" in none.stderr
    monkeypatch.setenv(TOKEN, "wrong-one")
    wrong = kill("--receivers", armed.url)
    assert wrong.exit_code == 1
    assert "bearer token" in wrong.stderr
    assert "wrong-one" not in wrong.output


def test_somebody_without_a_name_is_on_record_by_number(
    armed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    done = kill("--data", armed.folder, reason="nobody knows me")
    assert done.exit_code == 0, done.output
    (event,) = [e for e in armed.chain() if e.payload.action_reason == "nobody knows me"]
    assert event.payload.actor_id == "uid 54321"


@pytest.mark.parametrize(
    ("name", "shown"), [("n" * 300, "n" * 100), (" ", "uid "), ("\udce9", "�")]
)
def test_a_strange_name_is_no_reason_to_be_refused(
    armed: Any, monkeypatch: pytest.MonkeyPatch, name: str, shown: str
) -> None:
    monkeypatch.setenv("LOGNAME", name)
    done = kill("--data", armed.folder, reason=f"called {len(name)} {name[:1]!a}")
    assert done.exit_code == 0, done.output
    assert armed.chain()[-1].payload.actor_id.startswith(shown)


def test_a_long_reason_is_cut_and_said_to_be(armed: Any) -> None:
    done = kill("--data", armed.folder, reason="the exchange \udcff " + "long " * 200)
    assert done.exit_code == 0, done.output
    assert "500 characters" in done.stderr
    kept = reasons(armed)[-1]
    assert len(kept) <= 500
    assert kept.startswith("the exchange � long")
    assert kept.endswith("…")
    assert kill("--data", armed.folder, reason="x" * 500).stderr == ""
    assert reasons(armed)[-1] == "x" * 500


@pytest.mark.parametrize("reason", ["", " \n"])
def test_an_empty_reason_and_capitals_are_no_reason_to_be_refused(armed: Any, reason: str) -> None:
    done = riskwarden("kill", "--mode", "Immediate", "--reason", reason, "--data", armed.folder)
    assert done.exit_code == 0, done.output
    assert "there is no reason" in done.stderr
    assert reasons(armed)[-1] == "no reason given"


def unused() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.mark.parametrize(
    ("seconds", "text"), [("7", "[alerting.gate]\nlease_seconds = 7"), ("3", BROKEN)]
)
def test_with_dead_receivers_the_answer_says_what_holds_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, seconds: str, text: str
) -> None:
    monkeypatch.setenv(TOKEN, "operator-secret")
    policy(text)
    done = kill("--receivers", unused())
    assert done.exit_code == 1
    for told in ("NOTHING was tripped", "Is it running?", "--receivers", f"within {seconds} s"):
        assert told in done.stderr
    assert "Open positions are NOT closed" in done.stderr


def test_who_takes_the_order_and_never_answers_may_have_carried_it_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(TOKEN, "operator-secret")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.listen()
        Thread(target=lambda: silent.accept()[0].close()).start()
        done = kill("--receivers", f"127.0.0.1:{silent.getsockname()[1]}")
    assert done.exit_code == 1
    assert "may have taken the kill or not" in done.stderr
    assert "Open positions are NOT closed" in done.stderr


@pytest.mark.parametrize("url", ["http://[::1", "ftp://127.0.0.1:1", "http://127.0.0.1:99999"])
def test_what_is_no_url_is_told_as_that(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(TOKEN, "operator-secret")
    done = kill("--receivers", url)
    assert done.exit_code in (1, 2)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert "http" in done.stderr


def test_the_audit_is_verified_whatever_the_policy_looks_like(armed: Any) -> None:
    for text in (BROKEN, NEEDS_A_CHANNEL, WRONG_ELSEWHERE):
        policy(text)
        done = riskwarden("audit", "verify", "--data", armed.data)
        assert done.exit_code == 0, done.output
        assert "intact" in done.stdout
    policy(f"{WRONG_ELSEWHERE}[alerting.audit]\ndatabase_path = 'elsewhere.db'\n")
    assert "elsewhere.db" in riskwarden("audit", "verify", "--data", armed.data).stderr

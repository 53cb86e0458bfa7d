"""What a Prometheus has seen of the chain stands, whatever becomes of the chain and its keys."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from free_ports import free_port
from loopback_prometheus import Prometheus, until
from tampering.forger import Forger, Key
from typer.testing import CliRunner

from risk_policy import Policy, default_policy_path, load_policy
from risk_policy.catalogue import system
from risk_receivers.prometheus_witness import seen_heads
from risk_rules.groups import rule_files
from riskwarden.app import application

#: So often it looks; what it is told by rules follows from the policy.
PACE = "200ms"


def verify(data: Path, *arguments: str) -> tuple[int, list[str]]:
    given = ["audit", "verify", "--json", "--data", str(data), *arguments]
    done = CliRunner().invoke(application(given), given)
    return done.exit_code, json.loads(done.stdout)["problems"] if done.stdout else [done.stderr]


def broken_rules(policy: Policy) -> dict[str, Any]:
    """The group of the real rules that tells of a broken chain."""
    (group,) = [
        group.document()
        for groups in rule_files(policy).values()
        for group in groups
        if system.CHAIN_BROKEN.name in str(group.document())
    ]
    return {"groups": [{**group, "interval": PACE}]}


@pytest.fixture
def witness(stopped: Any, tmp_path: Path) -> Iterator[str]:
    """The address of a Prometheus that scrapes the service and has the real rules."""
    folder = tmp_path / "prometheus"
    folder.mkdir()
    port = free_port()
    stopped.prometheus = f"127.0.0.1:{port}"
    stopped.start()
    rules = broken_rules(load_policy(default_policy_path(), {}))
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    config = {
        "global": {"scrape_interval": PACE, "scrape_timeout": PACE, "evaluation_interval": PACE},
        "rule_files": ["rules.yml"],
        "scrape_configs": [
            {"job_name": "r", "static_configs": [{"targets": [f"127.0.0.1:{stopped.port}"]}]}
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    prometheus = Prometheus(folder, port)
    prometheus.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        prometheus.end()


def head_in_a_message(receivers: Any) -> str:
    """The head that the file channel was told with the first message; "" before it was."""
    files = sorted((receivers.data / "logs" / "alerts").glob("*.jsonl"))
    lines = [line for file in files for line in file.read_text().splitlines()]
    return str(json.loads(lines[0])["audit_head"]) if lines else ""


def fires(witness: str, alert: str) -> bool:
    query = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
    answer = httpx.get(f"{witness}/api/v1/query", params={"query": query}, trust_env=False)
    return bool(answer.json()["data"]["result"])


def test_a_history_written_anew_with_the_stolen_key_is_told_by_who_saw_the_old_one(
    stopped: Any, witness: str, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers = stopped
    for number in range(3):
        receivers.send("alerts", [words.alert(risk_id=f"drawdown/{number}")])

    def seen() -> list[int]:
        return [head.size for head in seen_heads(witness, hours=1, now=time.time())]

    receivers.operator_kill("pause")
    head = wait_until(lambda: head_in_a_message(receivers))
    size = len(receivers.chain())
    wait_until(lambda: max(seen(), default=0) >= size)
    assert receivers.stop() == 0

    forger = Forger(receivers.data, receivers.data)
    seq = next(e.seq for e in receivers.chain() if e.event_type == "ALERT_CREATED")
    forger.edit_payload(seq, "12.3 %", "1.3 %")
    forger.rehash_payload(seq)
    forger.relink(seq)
    forger.sign_anew(Key.stolen(forger.key_file))
    forger.forget()
    key = ("--key", str(forger.key_file.with_name("signing.key.pub")))
    assert verify(receivers.data, *key) == (0, [])

    # It listens on every address now; Prometheus goes on to know it by the one in the policy.
    receivers.host = "0.0.0.0"  # noqa: S104 - as in a container
    known = (
        f'\n[alerting.endpoints]\nreceivers = "127.0.0.1:{receivers.port}"\n'
        "[alerting.dashboard.tls]\nat_proxy = true\n"
    )
    receivers.policy.write_text(receivers.policy.read_text() + known)
    receivers.spawn(port=receivers.port)
    until(lambda: fires(witness, system.CHAIN_BROKEN.name), "the chain is said to be broken")
    assert receivers.verified().ok, "nothing but a witness can tell"
    assert "Prometheus saw this chain with the head" in receivers.log
    code, problems = verify(receivers.data, *key, "--witness", witness)
    assert code == 1
    assert all("it was seen with" in problem for problem in problems)
    code, problems = verify(receivers.data, *key, "--head", head)
    assert code == 1
    assert "it was seen with" in problems[0]


def test_an_honest_restart_is_held_against_what_was_seen_and_nothing_is_said(
    stopped: Any, witness: str, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers = stopped
    receivers.send("alerts", [words.alert()])
    size = len(receivers.chain())

    def seen() -> int:
        found = seen_heads(witness, hours=1, now=time.time())
        return max((head.size for head in found), default=0)

    wait_until(lambda: seen() >= size)
    receivers.stop()
    receivers.spawn(port=receivers.port)
    wait_until(lambda: seen() > size)
    assert receivers.metric("risk_audit_chain_intact") == 1
    assert verify(receivers.data, "--witness", witness) == (0, [])
    assert verify(receivers.data, "--witness", witness, "--instance", "elsewhere:1")[0] == 2


def test_a_witness_that_does_not_answer_is_told_and_nothing_is_called_intact(told: Any) -> None:
    code, problems = verify(told.data, "--witness", "http://127.0.0.1:1")
    assert code == 2
    assert "127.0.0.1:1" in str(problems)

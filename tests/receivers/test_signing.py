"""The service has its chain signed: soon, at once after a kill, and never at anybody's expense."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from risk_receivers.audit.note import SigningKey, VerifierKey
from risk_receivers.verification import verify_store
from riskwarden.app import application

SIGNED = "risk_audit_signed_size"
UNSIGNED = "risk_audit_unsigned_seconds"
SIZE = "risk_audit_chain_size"
RARELY = "\n[alerting.audit.signing]\ncheckpoint_seconds = 30\n"


def key_of(receivers: Any) -> Path:
    return Path(receivers.data / "audit" / "signing.key")


def signed(receivers: Any) -> int:
    """How far the newest stored checkpoint goes."""
    found = receivers.rows("SELECT max(size) FROM audit_checkpoint")
    return int(found[0][0] or 0)


def messages(receivers: Any) -> list[dict[str, Any]]:
    """What the file channel has delivered."""
    return [
        json.loads(line)
        for path in receivers.data.rglob("*.jsonl")
        for line in path.read_text().splitlines()
    ]


def all_signed(receivers: Any) -> bool:
    (size,) = receivers.rows("SELECT max(seq) FROM audit_header")[0]
    return bool(signed(receivers) == size)


def verified(*arguments: str) -> tuple[int, str]:
    asked = ["audit", "verify", *arguments]
    found = CliRunner().invoke(application(asked), asked)
    return found.exit_code, found.output.replace("\n", " ")


def test_what_is_recorded_is_signed_soon_and_whatever_is_left_when_it_stops(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    for number in range(3):
        receivers.send("alerts", [words.alert(risk_id=f"drawdown/{number}")])
    wait_until(lambda: all_signed(receivers), what="everything is signed")
    wait_until(lambda: receivers.metric(SIGNED) == receivers.metric(SIZE))
    assert receivers.metric(UNSIGNED) == 0
    told = receivers.status()["audit"]
    assert (told["signed"], told["signing_problem"]) == (told["size"], None)
    receivers.send("alerts", [words.alert(risk_id="drawdown/last")])
    receivers.stop()
    assert all_signed(receivers)
    public = VerifierKey.parse(key_of(receivers).with_suffix(".key.pub").read_text())
    found = receivers.verified()
    assert (found.ok, found.signed, found.key) == (True, found.events, public.short)
    assert "SIGNING_BEGAN" in receivers.event_types()[:2]
    receivers.start()
    assert receivers.event_types().count("SIGNING_BEGAN") == 1
    key = SigningKey.parse(key_of(receivers).read_text())
    secret = key.reveal().split("+", 4)[4]
    for path in receivers.data.rglob("*"):
        if path.is_file() and path != key_of(receivers):
            held = path.read_bytes()
            assert secret.encode() not in held, path
            assert key.seed not in held, path
            assert base64.b64encode(key.seed) not in held, path
    assert secret not in receivers.log


def test_the_kill_switch_is_signed_at_once(
    stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    stopped.policy.write_text(stopped.policy.read_text() + RARELY)
    receivers = stopped.start()
    wait_until(lambda: signed(receivers))
    receivers.send("alerts", [words.alert()])
    assert not all_signed(receivers), "that is not urgent"
    receivers.operator_kill("immediate")
    wait_until(lambda: all_signed(receivers), 5, "the kill is signed")
    assert receivers.verified().ok


def test_a_signer_that_fails_is_told_and_holds_nobody_up(
    stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    stopped.start().stop()
    key_of(stopped).chmod(0o644)
    receivers = stopped.start()
    assert receivers.send("alerts", [words.alert()]).status_code == 200
    assert "ALERT_CREATED" in receivers.event_types()
    wait_until(lambda: (receivers.metric(UNSIGNED) or 0) > 0.5, what="the gauge grows")
    assert "others may read" in receivers.status()["audit"]["signing_problem"]
    assert receivers.log.count("others may read") == 1
    assert receivers.call("GET", "/readyz").status_code == 200
    key_of(receivers).chmod(0o600)
    wait_until(lambda: all_signed(receivers), what="it is made up for")
    assert receivers.metric(UNSIGNED) == 0
    assert receivers.verified().ok


def test_another_key_is_not_signed_with_behind_the_chains_back(
    stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    stopped.start().stop()
    key_of(stopped).rename(key_of(stopped).with_suffix(".away"))
    receivers = stopped.start()
    receivers.send("alerts", [words.alert()])
    problem = wait_until(lambda: receivers.status()["audit"]["signing_problem"])
    assert "restore that key" in problem
    receivers.stop()
    key_of(receivers).with_suffix(".away").rename(key_of(receivers))
    receivers.start()
    wait_until(lambda: all_signed(receivers))
    assert receivers.verified().ok


def test_a_memory_that_was_lost_is_found_again_in_the_chain(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers.send("alerts", [words.alert()])
    receivers.stop()
    key_of(receivers).with_suffix(".key.state").unlink()
    receivers.start()
    wait_until(lambda: all_signed(receivers))
    assert receivers.verified().ok


def test_an_older_copy_of_the_store_is_not_signed(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers.send("alerts", [words.alert()])
    receivers.stop()
    copy = receivers.data.with_name("copy")
    shutil.copytree(receivers.data, copy)
    receivers.start()
    receivers.send("alerts", [words.alert(risk_id=f"drawdown/{n}") for n in range(30)])
    wait_until(lambda: all_signed(receivers))
    receivers.stop()
    for path in (receivers.data / "audit").iterdir():
        if path.name.startswith("audit.db"):
            path.unlink()
    for path in (copy / "audit").iterdir():
        if path.name.startswith("audit.db"):
            shutil.copy(path, receivers.data / "audit")
    found = receivers.verified()
    assert "its end was cut off" in str(found.problems[0])
    receivers.start()
    problem = wait_until(lambda: receivers.status()["audit"]["signing_problem"])
    assert "its end was cut off, or an old copy was put in place" in problem


@pytest.mark.parametrize("times", [6])
def test_however_often_it_is_killed_no_checkpoint_is_missing(
    stopped: Any, words: Any, wait_until: Callable[..., Any], times: int
) -> None:
    often = "\n[alerting.audit.signing]\ncheckpoint_seconds = 0.01\n"
    stopped.policy.write_text(stopped.policy.read_text() + often)
    for number in range(times):
        receivers = stopped.start()
        for at in range(1 + 3 * number):
            receivers.send("alerts", [words.alert(risk_id=f"drawdown/{number}.{at}")])
        receivers.kill()
        found = receivers.verified()
        assert found.ok, found.problems
    stopped.start()
    wait_until(lambda: all_signed(stopped))
    assert verify_store(stopped.database).ok


def test_an_auditor_pins_the_key_and_a_head(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers.send("alerts", [words.alert()])
    told = wait_until(lambda: messages(receivers), what="a message is delivered")
    receivers.stop()
    data = ("--data", str(receivers.data))
    public = key_of(receivers).with_suffix(".key.pub")
    code, said = verified(*data, "--key", str(public))
    assert (code, "signed up to" in said) == (0, True)
    root = json.loads(verified(*data, "--json")[1])["head"]
    assert verified(*data, "--key", public.read_text(), "--head", root)[0] == 0
    assert verified(*data, "--head", told[0]["audit_head"])[0] == 0
    size, _, head = told[0]["audit_head"].partition(":")
    code, said = verified(*data, "--head", f"{size}:{head[::-1]}")
    assert (code, "the chain was rewritten" in said) == (1, True)
    code, said = verified(*data, "--key", str(SigningKey.generate("riskwarden/audit").verifier))
    assert (code, "is not the pinned one" in said) == (1, True)
    code, said = verified(*data, "--key", "nonsense+1")
    assert (code, "is no verifier key" in said) == (2, True)

"""The service has its chain signed: soon, at once after a kill, and never at anybody's expense."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from writers import started

from risk_receivers.audit.note import SigningKey, VerifierKey
from risk_receivers.signer import journal
from risk_receivers.signer.journal import Rotation
from risk_receivers.signer.signer import KeptSigner
from risk_receivers.tokens.registry import Doing
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
    assert receivers.metric("risk_audit_chain_intact") == 0


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_checkpoint",
        "UPDATE audit_checkpoint SET note = CAST(replace(note, 'previous', 'previously') AS BLOB)",
    ],
)
def test_checkpoints_that_are_taken_away_while_it_runs_are_missed(
    receivers: Any, words: Any, wait_until: Callable[..., Any], statement: str
) -> None:
    wait_until(lambda: all_signed(receivers))
    assert receivers.metric("risk_audit_chain_intact") == 1
    with closing(sqlite3.connect(receivers.database, isolation_level=None)) as connection:
        connection.execute(statement)
    receivers.send("alerts", [words.alert()])
    wait_until(lambda: receivers.metric("risk_audit_chain_intact") == 0)
    assert "is gone or was changed" in receivers.status()["audit"]["damage"]


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


def test_an_auditor_pins_the_key_and_a_head(receivers: Any, wait_until: Callable[..., Any]) -> None:
    receivers.operator_kill("pause")
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


def rotated(receivers: Any, *arguments: str) -> VerifierKey:
    asked = ["audit", "rotate-key", "--reason", "once a year", "--receivers", receivers.url]
    asked += arguments
    done = CliRunner().invoke(application(asked), asked, env=receivers.environ)
    assert done.exit_code == 0, done.output
    return VerifierKey.parse(done.stdout)


def test_a_new_key_takes_over_and_who_has_pinned_the_first_goes_on_with_it(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    public = key_of(receivers).with_suffix(".key.pub")
    first = VerifierKey.parse(public.read_text())
    receivers.send("alerts", [words.alert()])
    second = rotated(receivers)
    assert VerifierKey.parse(public.read_text()) == second != first
    receivers.send("alerts", [words.alert(risk_id="drawdown/2")])
    third = rotated(receivers)
    receivers.send("alerts", [words.alert(risk_id="drawdown/3")])
    wait_until(lambda: all_signed(receivers))
    for pinned in ((), (first,)):
        found = verify_store(receivers.database, pinned=pinned)
        assert (found.ok, found.key) == (True, third.short), found.problems
    assert "not the pinned one" in str(verify_store(receivers.database, pinned=[second]).problems)
    receivers.kill()
    receivers.start()
    wait_until(lambda: all_signed(receivers))
    assert receivers.verified().ok
    event = next(e for e in receivers.chain() if e.event_type == "SIGNING_KEY_ROTATED")
    assert event.expires_at is None
    assert event.payload.action_reason == "once a year"
    assert event.payload.details["verifier_key"] == str(first)
    assert event.payload.details["new_verifier_key"] == str(second)
    held = [path for path in key_of(receivers).parent.iterdir() if "signing" in path.name]
    assert sorted(path.name for path in held) == [
        "signing.key", "signing.key.pub", "signing.key.state",
    ]  # fmt: skip


@pytest.mark.parametrize("lost", [("signing.key",), ("signing.key", "signing.key.state")])
def test_a_key_that_is_lost_is_replaced_on_record_and_whoever_pins_both_goes_on(
    stopped: Any, words: Any, wait_until: Callable[..., Any], lost: tuple[str, ...]
) -> None:
    stopped.start().stop()
    first = VerifierKey.parse(key_of(stopped).with_suffix(".key.pub").read_text())
    for name in lost:
        key_of(stopped).with_name(name).unlink()
    receivers = stopped.start()
    problem = wait_until(lambda: receivers.status()["audit"]["signing_problem"])
    assert "rotate-key --lost" in problem
    second = rotated(receivers, "--lost")
    receivers.send("alerts", [words.alert()])
    wait_until(lambda: all_signed(receivers))
    again = receivers.call(
        "POST", "/api/v1/audit/signing-key", json={"actor": "a", "reason": "r", "lost": True}
    )
    assert (again.status_code, "it is not lost" in again.text) == (409, True)
    found = verify_store(receivers.database, pinned=[first, second])
    assert (found.ok, found.key) == (True, second.short), found.problems
    (problem,) = verify_store(receivers.database).problems
    assert f"names the key {second.short}, which none before it vouches for" in str(problem)
    assert "not the pinned one" in str(verify_store(receivers.database, pinned=[first]).problems)


def test_a_rotation_that_a_crash_cut_short_is_finished_afterwards(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    """As if it had ended once the rotation was on record and before anybody had signed it."""
    receivers.send("alerts", [words.alert()])
    receivers.stop()
    signer = KeptSigner(key_of(receivers), "riskwarden/audit")
    rotation = Rotation(signer.key, signer.prepare())
    signer.close()
    writer = started(receivers.database, batch=1)
    doing = Doing("tester", "admin", "127.0.0.1", "a test")
    writer.run(partial(journal.rotate, rotation=rotation, doing=doing), timeout=30)
    writer.stop()
    receivers.start()
    wait_until(lambda: all_signed(receivers))
    found = verify_store(receivers.database, pinned=[rotation.old])
    assert (found.ok, found.key) == (True, rotation.new.short), found.problems


def test_only_who_may_manage_tokens_has_another_key_take_over(receivers: Any) -> None:
    body = {"actor": "eve", "reason": "mine"}
    refused = receivers.call("POST", "/api/v1/audit/signing-key", token="runtime-secret", json=body)
    assert refused.status_code == 403
    nothing = receivers.call("POST", "/api/v1/audit/signing-key", json={"actor": "ann"})
    assert nothing.status_code == 400
    assert "SIGNING_KEY_ROTATED" not in receivers.event_types()

"""What is exported and copied from running receivers is signed by them, and good elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from risk_receivers.audit.note import SigningKey, VerifierKey
from risk_receivers.audit.query import head
from riskwarden.app import application
from riskwarden.auditor import riskwarden_verify as auditor


def audit(receivers: Any, command: str, *arguments: object) -> Result:
    asked = ["audit", command, *map(str, arguments)]
    asked += ["--data", str(receivers.data), "--policy", str(receivers.policy)]
    return CliRunner().invoke(application(asked), asked, env=receivers.environ)


def pinned(receivers: Any) -> auditor.Pinned:
    key = (receivers.data / "audit" / "signing.key.pub").read_text()
    return auditor.Pinned((auditor.Key.parse(key),))


def test_a_desk_hands_out_its_chain_and_lives_on_from_a_copy(
    receivers: Any, words: Any, wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    for number in range(5):
        receivers.send("alerts", [words.alert(risk_id=f"drawdown/{number}")])
    receivers.operator_kill("pause")
    trusted = pinned(receivers)

    whole, part = tmp_path / "whole.jsonl.gz", tmp_path / "part.jsonl.gz"
    assert audit(receivers, "export", whole).exit_code == 0
    done = audit(receivers, "export", part, "--first", 4, "--last", 6, "--type", "kill")
    assert done.exit_code == 0, done.output
    for path in (whole, part):
        report = auditor.verify(path, trusted)
        assert (report.code, report.problems, report.unchecked) == (0, [], [])
        assert report.signed_by == [trusted.keys[0].name]
    other = auditor.Key.parse(str(_another_key()))
    assert auditor.verify(whole, auditor.Pinned((other,))).code == 1

    copy = tmp_path / "copy.db"
    done = audit(receivers, "backup", copy)
    assert done.exit_code == 0, done.output
    assert "receivers" in audit(receivers, "restore", copy, "--force").stderr  # they run
    receivers.send("alerts", [words.alert(risk_id="drawdown/later")])
    types = receivers.event_types()
    assert [types.count(f"AUDIT_{done}") for done in ("EXPORTED", "BACKED_UP")] == [2, 1]
    receivers.stop()
    assert receivers.verified().ok
    assert auditor.verify(whole, trusted).code == 0

    reached = receivers.verified().events
    for gone in receivers.data.glob("audit/audit.db*"):
        gone.unlink()  # the signer still knows how far the chain went
    done = audit(receivers, "restore", copy)
    assert done.exit_code == 1
    found = re.search(r"--accept-loss (\d+)", done.stderr)
    assert found is not None
    lost = int(found[1])
    # The receipt beside the copy brings the record of the backup, if nothing came between.
    assert reached - size_of(copy) - lost in (0, 1)
    done = audit(receivers, "restore", copy, "--accept-loss", lost)
    assert done.exit_code == 0, done.output
    receivers.start()
    wait_until(lambda: receivers.status()["audit"]["signed"] == receivers.status()["audit"]["size"])
    assert receivers.status()["audit"]["signing_problem"] is None
    assert "AUDIT_RESTORED" in receivers.event_types()
    receivers.stop()
    found = receivers.verified()
    assert (found.ok, found.problems) == (True, ())


def size_of(copy: Path) -> int:
    return head(copy).size


def _another_key() -> VerifierKey:
    return SigningKey.generate("riskwarden/audit").verifier

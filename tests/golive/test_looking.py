"""What the checklist looks at by itself: clocks, certificates, rules in one spelling, a backup."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nursery
import pytest
import trustme
from go_live_ground import ground_of
from loopback_http import LoopbackServer, Reply
from snapshot_desk import NOBODY
from time_server import time_server

from risk_policy.contracts.audit import EventType
from risk_policy.contracts.golive import GoLiveResult, Outcome
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.query import events
from risk_receivers.schema import SCHEMA
from riskwarden.golive import checklist, clocks
from riskwarden.golive.certificates import certificate
from riskwarden.golive.document import result_of
from riskwarden.golive.evidence import Rehearsed
from riskwarden.golive.finding import NotKnownError
from riskwarden.golive.ground import Ground
from riskwarden.golive.looking import _spelt
from riskwarden.golive.record import rehearsed
from riskwarden.on_record import record
from riskwarden.operator import Operator

# -- Clocks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [-7.5, 0.0, 3600.0])
def test_a_time_server_says_how_far_the_clock_is_off(ahead: float) -> None:
    with time_server(ahead) as server:
        found = clocks.offset(server)
    # This machine is behind whoever is ahead of it; a busy one takes a while to be answered.
    assert found == pytest.approx(-ahead, abs=1.0)


def test_a_time_server_that_knows_no_time_or_is_not_there_says_nothing() -> None:
    with time_server(stratum=16) as server:
        assert clocks.offset(server) is None
    assert clocks.offset("nobody.invalid:123") is None


def test_the_kernel_is_asked_and_nothing_is_set() -> None:
    before = time.time()
    kept, off = clocks.kernel()
    assert kept in (True, False, None)
    assert off is None or off >= 0
    assert abs(time.time() - before) < 60


# -- TLS -------------------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def shown(
    authority: trustme.CA, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[LoopbackServer]:
    ends = datetime.now(UTC) + timedelta(days=request.param)
    pem = tmp_path / "cert.pem"
    authority.issue_cert("127.0.0.1", not_after=ends).private_key_and_cert_chain_pem.write_to_path(
        str(pem)
    )
    with LoopbackServer(pem) as server:
        yield server


@pytest.mark.parametrize("shown", [30], indirect=True)
def test_a_certificate_is_read_whether_it_is_trusted_here_or_not(
    shown: LoopbackServer,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strange = certificate("127.0.0.1", shown.port, is_named=True)
    assert strange.ends_at is not None
    assert (strange.ends_at - datetime.now(UTC)).days in (29, 30)
    assert "certificate" in strange.distrust
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert certificate("127.0.0.1", shown.port, is_named=True).distrust == ""


@pytest.mark.parametrize("shown", [-1], indirect=True)
def test_a_certificate_that_is_over_is_told_with_its_date(shown: LoopbackServer) -> None:
    found = certificate("127.0.0.1", shown.port, is_named=True)
    assert found.ends_at is not None
    assert found.ends_at < datetime.now(UTC)


def test_where_nobody_speaks_tls_that_is_said() -> None:
    with LoopbackServer() as plain:
        found = certificate("127.0.0.1", plain.port, is_named=False)
    assert found.ends_at is None
    assert found.why


# -- Rules -----------------------------------------------------------------------------------


def test_an_expression_has_one_spelling_and_another_one_has_another() -> None:
    ours = 'sum by(a)(x{job="b",alert=~"y{2}|z"}) > 0.20'
    as_shown = 'sum by (a) (x{alert=~"y{2}|z",job="b"}) > 0.2'
    assert _spelt(ours) == _spelt(as_shown)
    assert _spelt(ours) != _spelt(as_shown.replace('"b"', '"c"'))
    assert _spelt(ours) != _spelt(as_shown.replace("0.2", "0.9"))


# -- A backup that is put back ---------------------------------------------------------------


def test_a_backup_is_put_back_where_it_touches_nothing_that_is_in_use(tmp_path: Path) -> None:
    """Also where the policy's paths are absolute, and lead from any folder to what is in use."""
    store, key = tmp_path / "live/audit.db", tmp_path / "live/signing.key"
    store.parent.mkdir()
    text = f"""
[alerting.audit]
database_path = "{store}"
[alerting.audit.signing]
key_path = "{key}"
"""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    ground = ground_of(tmp_path, NOBODY + text, scratch=scratch)
    for number in range(3):
        event = AuditEvent(EventType.SERVICE_STARTED, f"start {number}")
        record(store, ground.policy, event, schema=SCHEMA)
    state = key.with_name(f"{key.name}.state")
    state.write_text("what the signer has signed last")

    found = rehearsed(ground)

    assert isinstance(found, Rehearsed)
    assert found.restored.ok, found.restored.problems
    assert found.head.size == 3
    types = [one.event_type for one in events(store, 0, 100)]
    assert types == ["SERVICE_STARTED"] * 3 + ["AUDIT_BACKED_UP"]
    assert state.read_text() == "what the signer has signed last"
    assert not list(scratch.iterdir())
    assert sorted(one.name for one in store.parent.iterdir() if "replaced" in one.name) == []


def test_the_disk_of_a_store_that_has_one_of_its_own_is_looked_at(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        if Path(memory).stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is one disk alone")
        text = f'[alerting.audit]\ndatabase_path = "{memory}/audit.db"\n'
        found = checklist.CHECKS["disk"].look(ground_of(tmp_path, NOBODY + text))
    assert f"of the disk of {tmp_path} is free; " in found.seen
    assert f"of the disk of {memory} is free" in found.seen


def test_a_store_that_is_not_there_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(NotKnownError, match="there is no such store"):
        rehearsed(ground_of(tmp_path))


# -- All of it -------------------------------------------------------------------------------


def test_where_nothing_runs_nothing_passes_but_what_the_policy_alone_decides(
    tmp_path: Path,
) -> None:
    lines = list(checklist.go_through(ground_of(tmp_path), {"clock": "a test"}))
    assert [one.name for one in lines] == list(checklist.CHECKS)
    outcomes = {one.name: one.outcome for one in lines}
    passed = {name for name, how in outcomes.items() if how is Outcome.PASSED}
    assert passed == {"disk", "tls"}
    assert outcomes["clock"] is Outcome.SKIPPED
    assert all(one.finding.to_do for one in lines if one.outcome is not Outcome.PASSED)
    assert result_of(lines) is GoLiveResult.NOT_READY


def test_a_line_that_breaks_is_not_known_and_the_others_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Ground) -> Any:
        raise ZeroDivisionError("by nought")

    check = checklist.Check("What runs", "it breaks", broken)
    monkeypatch.setattr(checklist, "CHECKS", {"disk": check, "tls": checklist.CHECKS["tls"]})
    first, second = checklist.go_through(ground_of(tmp_path), {})
    assert (first.outcome, second.outcome) == (Outcome.NOT_KNOWN, Outcome.PASSED)
    assert "ZeroDivisionError: by nought" in first.finding.seen


def test_a_secret_in_what_was_seen_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def talkative(_: Ground) -> Any:
        raise NotKnownError("token nTq0Zk3rW8yLsvB1xGmPd7EuCjAhRfQo refused", "look")

    monkeypatch.setattr(checklist, "CHECKS", {"disk": checklist.Check("g", "t", talkative)})
    ground = ground_of(tmp_path)
    ground.environ = {"RISKWARDEN_OPERATOR_TOKEN": "nTq0Zk3rW8yLsvB1xGmPd7EuCjAhRfQo"}
    [line] = checklist.go_through(ground, {})
    assert "nTq0" not in line.finding.seen


def golive(folder: Path, *arguments: str) -> Any:
    (folder / "alerting.toml").write_text(NOBODY)
    return nursery.run(
        "riskwarden", "golive", "--data", str(folder), "--policy", "alerting.toml", *arguments,
        environ={**os.environ, "RISKWARDEN_OPERATOR_TOKEN": "x" * 32}, cwd=folder,
    )  # fmt: skip


def test_the_command_says_what_is_left_to_do_and_that_it_is_not_on_record(tmp_path: Path) -> None:
    done = golive(
        tmp_path, "--json", "--report", "golive.html",
        "--vouch", "training=minutes of May", "--skip", "backup", "--because", "done by hand",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    lines = {one["name"]: one for one in said["lines"]}
    assert said["result"] == "not ready"
    assert said["audit_seq"] is None
    assert lines["receivers"]["outcome"] == "not known"
    assert "does not answer" in lines["receivers"]["seen"]
    assert lines["backup"]["because"] == "done by hand"
    assert "vouches for it: minutes of May" in lines["training"]["seen"]
    assert "is not on record" in done.stderr
    page = (tmp_path / "golive.html").read_text()
    assert "done by hand" in page
    assert "What is left to do" in page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--skip", "luck", "--because", "x"], "there is no such line; there are receivers"),
        (["--skip", "clock"], "needs a --because TEXT"),
        (["--skip", "clock", "--because", " "], "say it in words"),
        (["--vouch", "clock=yes"], "nobody can vouch for it; there are shadow-trading"),
        (["--vouch", "training"], "say it in words"),
        (["--report", "none/golive.md"], "is no folder"),
        (["--report", "golive.docx"], "is no form"),
    ],
)
def test_a_request_that_makes_no_sense_does_nothing(
    tmp_path: Path, arguments: list[str], told: str
) -> None:
    done = golive(tmp_path, *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert not done.stdout


def test_a_report_that_could_not_be_written_is_told_before_anything_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weasyprint.py").write_text("raise ImportError('none here')")
    paths = (str(tmp_path), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    done = golive(tmp_path, "--report", "golive.pdf")
    assert done.returncode == 2
    assert "--report: no PDF can be made: none here; pip install 'riskwarden[pdf]'" in done.stderr
    assert not done.stdout


def test_nothing_is_sent_but_tests_the_first_step_of_a_kill_and_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is answered: a code that would confirm a kill is not sent back."""
    monkeypatch.setenv("RISKWARDEN_TOKEN", "nTq0Zk3rW8yLsvB1xGmPd7EuCjAhRfQo")
    preview = {"confirmation": "0123abcd", "mode": "immediate", "word": "IMMEDIATE",
               "steps": ["it is closed"], "positions": [], "unknown": None}  # fmt: skip
    with LoopbackServer() as server:
        server.instead = lambda _: Reply(200, json.dumps(preview))
        ground = ground_of(tmp_path)
        ground.receivers = server.url
        ground.operator = Operator(tmp_path, tmp_path / "alerting.toml", server.url)
        lines = {one.name: one for one in checklist.go_through(ground, {"clock": "a test"})}
        sent = [(one.path, one.json) for one in server.received if one.method != "GET"]
    assert lines["kill-dry-run"].outcome is Outcome.PASSED
    assert [path for path, _ in sent] == ["/api/v1/system/kill-switch", "/api/v1/channels/test"]
    assert set(sent[0][1]) == {"mode", "reason", "actor"}
    assert not any("0123abcd" in one.finding.seen for one in lines.values())

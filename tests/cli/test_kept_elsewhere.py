"""A store that is kept elsewhere than in SQLite alone: the service and the commands find it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from postgres_cluster import Cluster
from typer.testing import CliRunner, Result

from risk_policy import load_policy, parse_policy
from risk_policy.vocabulary import Severity
from risk_receivers.core import Core, open_core
from risk_receivers.intake.alert import Feed
from risk_receivers.intake.parse import Parser
from risk_receivers.recorder import Received
from risk_receivers.store.own import in_a_folder_of_its_own
from risk_receivers.telemetry import Telemetry
from riskwarden.app import application

SECRET = "hunter2hunter2"


@pytest.fixture(params=["jsonl", "postgresql"])
def policy(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A policy that has the record kept there."""
    path = tmp_path / "policy.toml"
    path.write_text(f'[alerting.audit]\nstorage_backend = "{request.param}"\n', encoding="utf-8")
    if request.param == "jsonl":
        yield path
        return
    postgres: Cluster = request.getfixturevalue("postgres")
    with postgres.database() as dsn:
        secret = tmp_path / "dsn"
        secret.write_text(f"{dsn} password={SECRET}\n", encoding="utf-8")
        monkeypatch.setenv("RISKWARDEN_POSTGRESQL_DSN_FILE", str(secret))
        yield path


def run(policy: Path, *arguments: str) -> Result:
    given = [*arguments, "--policy", str(policy)]
    return CliRunner().invoke(application(given), given)


def tell(core: Core) -> None:
    """A breach that trips the kill switch, and one that restricts."""
    now = datetime.now(UTC)
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(minutes=1)).isoformat()}
    names = {"severity": "emergency", "tier": "emergency", "account": "main"}
    kill = {"alertname": "DRAWDOWN", "risk_id": "drawdown/main", "action": "kill_switch"}
    hold = {"alertname": "VAR", "risk_id": "var/main", "action": "block_trade"}
    alerts = [{"labels": names | one, "annotations": {}, **times} for one in (kill, hold)]
    batch = Parser(Severity.WARNING, lease_seconds=60).parse(
        Feed.ALERTS, json.dumps(alerts).encode(), now
    )
    core.recorder.take_batch(batch, Received(), ()).result(30)


def test_a_kill_outlives_the_service_and_every_command_reads_its_record(
    policy: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    loaded = load_policy(policy)
    for _ in range(2):
        with open_core(loaded, data, Telemetry()) as core:
            tell(core)
            assert core.gate.is_halted
    with open_core(loaded, data, Telemetry()) as core:
        assert core.gate.is_halted
        head = core.writer.head

    given = ("--data", str(data))
    done = run(policy, "audit", "verify", *given)
    assert (done.exit_code, f"intact, {head.size} events" in done.stdout) == (0, True), done.output
    told = json.loads(run(policy, "audit", "verify", "--json", *given).stdout)
    assert (told["intact"], told["events"]) == (True, head.size)
    done = run(policy, "audit", "query", "--type", "KILL_SWITCH_ACTIVATED", *given)
    assert (done.exit_code, "KILL_SWITCH_ACTIVATED" in done.stdout) == (0, True), done.output
    done = run(policy, "audit", "show", "1", *given)
    assert (done.exit_code, "SERVICE_STARTED" in done.stdout) == (0, True), done.output
    done = run(policy, "audit", "prune", "--dry-run", *given)
    assert done.exit_code == 0, done.output
    exported = tmp_path / "export"
    done = run(policy, "audit", "export", str(exported), "--reason", "test", *given)
    assert done.exit_code == 0, done.output
    done = run(policy, "audit", "hold", "place", "case-1", "--reason", "x", "--everything", *given)
    assert done.exit_code == 0, done.output
    assert run(policy, "audit", "verify", *given).exit_code == 0


def test_a_store_that_cannot_be_found_is_said_to_be_so_without_its_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[alerting.audit]\nstorage_backend = "postgresql"\n', encoding="utf-8")
    given = ("--data", str(tmp_path))
    monkeypatch.delenv("RISKWARDEN_POSTGRESQL_DSN", raising=False)
    done = run(path, "audit", "verify", *given)
    assert done.exit_code == 2
    assert "alerting.audit.postgresql.dsn" in done.stderr
    for dsn, why in (
        (f"postgresql://u:{SECRET}@127.0.0.1:1/d", "Connection refused"),
        (f"u {SECRET}", "is no connection string"),
    ):
        monkeypatch.setenv("RISKWARDEN_POSTGRESQL_DSN", dsn)
        done = run(path, "audit", "verify", *given)
        assert (done.exit_code, SECRET in done.output) == (2, False)
        assert why in " ".join(done.stderr.split())


def test_what_only_plays_keeps_its_record_in_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[alerting.audit]\nstorage_backend = "postgresql"\n', encoding="utf-8")
    monkeypatch.setenv("RISKWARDEN_POSTGRESQL_DSN", "host=127.0.0.1 port=1 dbname=d")
    policy = in_a_folder_of_its_own(load_policy(path))
    with open_core(policy, tmp_path / "played", Telemetry()) as core:
        tell(core)
    done = run(path, "audit", "verify", "--data", str(tmp_path / "played"))
    assert (done.exit_code, "intact" in done.stdout) == (0, True)


def test_a_dsn_that_is_none_is_a_problem_of_the_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[alerting.audit]\nstorage_backend = "postgresql"\n', encoding="utf-8")
    monkeypatch.setenv("RISKWARDEN_POSTGRESQL_DSN", f"host={SECRET}")
    done = run(path, "policy", "check")
    assert (done.exit_code, SECRET in done.output) == (1, False)
    assert "alerting.audit.postgresql.dsn" in done.stderr
    assert "names no database" in done.stderr
    monkeypatch.setenv("RISKWARDEN_POSTGRESQL_DSN", "dbname=record")
    assert run(path, "policy", "check").exit_code == 0


@pytest.mark.parametrize("key", ["database_path", "signing.key_path"])
def test_a_path_that_is_none_is_said_and_the_default_is_tried(tmp_path: Path, key: str) -> None:
    with open_core(parse_policy(b""), tmp_path, Telemetry()):
        pass
    path = tmp_path / "policy.toml"
    path.write_text(f"[alerting.audit]\n{key} = 7\n", encoding="utf-8")
    done = run(path, "audit", "verify", "--data", str(tmp_path))
    assert (done.exit_code, "intact" in done.stdout) == (0, True), done.output
    assert f"alerting.audit.{key}: is no path" in " ".join(done.stderr.split())

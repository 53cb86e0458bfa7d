"""What the README shows works as it stands, and what it and CONTRIBUTING name is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nursery
import pytest
from free_ports import free_port
from loopback_http import LoopbackServer

from risk_exporter import ExporterServer, RiskExporter
from risk_policy import default_policy_path, load_policy
from risk_policy.catalogue.limits import LIMITS
from risk_policy.clock import utc_now
from risk_policy.contracts import gate as contract
from risk_policy.contracts.gate import GateDetail
from risk_policy.contracts.reports import FlatConfirmed, ReportBatch
from risk_policy.contracts.restriction import Kill
from risk_policy.vocabulary import KillMode

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


KILL = Kill(
    id="8f14e45f-ceea-467f-9b3c-0d3a7b2f6a10",
    mode=KillMode.IMMEDIATE,
    cause="a test",
    level="operator",
    since=utc_now(),
)
#: How to embed it, and a whole bot.
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_embedding_example_runs_and_the_gate_is_closed_without_receivers(
    tmp_path: Path,
) -> None:
    program, _ = PROGRAMS
    done = subprocess.run(
        [sys.executable, "-c", program.replace("9464", str(free_port()))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    by_limit, by_gate = done.stdout.splitlines()
    assert by_limit.startswith("False position BTC-EUR would come to 24.00% of equity")
    assert by_gate.startswith("False gate.lease is missing")


@pytest.mark.parametrize("mode", list(KillMode))
def test_the_bot_in_plain_python_tells_what_it_holds_asks_and_closes_what_has_to_be_closed(
    tmp_path: Path, mode: KillMode
) -> None:
    _, program = PROGRAMS
    assert len([line for line in program.splitlines() if line]) <= 30
    _write_killed_gate(tmp_path / "gate", mode)
    environ = {**os.environ, "RISKWARDEN_SNAPSHOT_TOKEN": "s", "RISKWARDEN_RUNTIME_TOKEN": "r"}
    policy = load_policy(default_policy_path(), {})
    with (
        LoopbackServer() as receivers,
        RiskExporter(policy, tmp_path / "state") as exporter,
        ExporterServer(exporter, listen=f"127.0.0.1:{free_port()}", snapshot_token="s") as served,
    ):
        program = program.replace("127.0.0.1:9464", served.listen)
        program = program.replace("http://127.0.0.1:9465", receivers.url)
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=environ,
        )
        assert done.returncode == 0, done.stderr
        assert any(x.metric.name == "risk_equity" for x in exporter.blocks())
    bought, *sold = done.stdout.splitlines()
    assert bought.startswith(f"buy False kill switch tripped, mode {mode}: a test")
    if mode is not KillMode.IMMEDIATE:
        assert (sold, receivers.received) == ([], []), "nothing is closed, and nobody says so"
        return
    assert sold[0].startswith("sell True it only reduces risk")
    (told,) = receivers.received
    assert told.path == "/api/v1/runtime/reports"
    assert told.headers["Authorization"] == "Bearer r"
    (report,) = ReportBatch.model_validate_json(told.body).reports
    assert isinstance(report, FlatConfirmed)
    assert report.kill_id == KILL.id


def _write_killed_gate(folder: Path, mode: KillMode) -> None:
    folder.mkdir()
    boot = contract.boot_id()
    lease = contract.encode(lease_ns=contract.HALT, version=1, longest_ns=1, boot=boot)
    (folder / contract.LEASE_FILE).write_bytes(lease)
    kill = KILL.model_copy(update={"mode": mode})
    detail = {"version": 1, "halted": True, "restrictions": [kill], "policy_digest": "0" * 64}
    contract.write_detail(folder, GateDetail(**detail, written_at=utc_now()))


@pytest.mark.parametrize(
    "line", sorted(set(re.findall(r"^riskwarden ([a-z]+(?: [a-z]+)*)(?:\s|$)", README, re.M)))
)
def test_every_command_of_the_readme_exists(line: str) -> None:
    done = nursery.run("riskwarden", *line.split(), "--help")
    assert done.returncode == 0, done.stderr


def named(document: str) -> set[str]:
    """What a document links to in the checkout, and the files and folders it names as code."""
    text = (ROOT / document).read_text(encoding="utf-8")
    # Neither hidden folders nor what a run leaves behind.
    folders = "|".join(
        path.name for path in ROOT.glob("[a-z]*") if path.is_dir() and path.name != "var"
    )
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    return {*links, *re.findall(rf"`((?:{folders})/[^`\s<]*)`", text)}


@pytest.mark.parametrize(
    ("document", "path"),
    [(name, path) for name in ("README.md", "CONTRIBUTING.md") for path in sorted(named(name))],
)
def test_every_path_that_a_document_names_is_there(document: str, path: str) -> None:
    assert (ROOT / path).exists()


def test_the_readme_counts_the_limits_that_there_are() -> None:
    assert f"| {len(LIMITS)} limits per account" in README


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= 400

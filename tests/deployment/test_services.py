"""The services of docker-compose.yml as real processes: their own commands, policy and checks."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from deployed import ROOT, SERVICES, Host, host, ours


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A machine on which `configure` has run."""
    with host(tmp_path_factory.mktemp("host")) as found:
        done = found.run(found.command("configure"), "configure")
        assert done.returncode == 0, done.stderr
        yield found


def test_configure_writes_what_each_volume_is_for_and_the_tools_accept_it(configured: Host) -> None:
    made = configured.folder / "generated"
    for mount in SERVICES["configure"]["volumes"]:
        if mount["type"] == "volume":
            assert any((made / mount["target"].removeprefix("/generated/")).iterdir())
    prometheus = made / "rules" / "generated" / "prometheus.yml"
    content = yaml.safe_load(prometheus.read_text("utf-8"))
    machine, people = content["alerting"]["alertmanagers"]
    token = configured.folder / "secrets" / "alert_feed_token"
    assert machine["authorization"]["credentials_file"] == str(token)
    assert len(people["static_configs"][0]["targets"]) == 2
    for command in (
        ["promtool", "check", "config", str(prometheus)],
        ["amtool", "check-config", str(made / "alertmanager" / "generated" / "alertmanager.yml")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_signer_receivers_and_exporter_start_as_they_are_told_and_are_healthy(
    configured: Host,
) -> None:
    assert not configured.is_healthy("signer")
    started = {name: configured.start(name) for name in ("signer", "receivers", "exporter")}
    assert set(ours()) - {"configure", "align"} == {"signer", "receivers", "exporter"}
    # The console is there, for browsers that come over the proxy's TLS.
    port = configured.ports["receivers:9465"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/login", timeout=10) as answer:
        assert "max-age" in answer.headers["strict-transport-security"]
    # What is signed has been signed by the signer's own process.
    key = (configured.folder / "keys" / "signing.key.pub").read_text()
    assert key.startswith("riskwarden/audit+")
    log = (configured.folder / "signer.log").read_text()
    assert "nothing that could be answered" not in log  # by the health check, say
    started["receivers"].kill()
    started["receivers"].wait()
    _kill_beside_dead_receivers(configured)


def _kill_beside_dead_receivers(machine: Host) -> None:
    """As the runbook has it: another container of that service, with the command in its place."""
    runbook = (ROOT / "docs/runbook_kill_switch.md").read_text("utf-8")
    (line,) = re.findall(r"^docker compose run --rm --no-deps (.*)$", runbook, re.M)
    service, *command = shlex.split(line, comments=True)
    done = machine.run(machine.found(command), service)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (machine.folder / f"data-{service}" / "gate" / "KILL").exists()


def test_the_two_alertmanagers_find_each_other_and_prometheus_reads_its_configuration(
    configured: Host,
) -> None:
    for name in ("alertmanager-1", "alertmanager-2"):
        (configured.folder / f"data-{name}").mkdir()
        configured.start(name)
    port = configured.ports["alertmanager-1:9493"]

    def both() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/status", timeout=10) as said:
            return len(json.load(said)["cluster"]["peers"]) == 2

    process = configured.running[-1]
    configured.until(both, process, configured.folder / "alertmanager-2.log")
    configured.start("prometheus")


def test_a_probe_says_no_where_nobody_or_somebody_else_answers(
    configured: Host, tmp_path: Path
) -> None:
    probe = configured.health("exporter")[:2]
    for what, why in (
        ("http://127.0.0.1:1/healthz", "refused"),
        ("http://192.0.2.1/healthz", "is not of this container"),
        (str(tmp_path / "signer.sock"), "No such file"),
    ):
        done = subprocess.run([*probe, what], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert why in done.stderr
    assert subprocess.run(probe, capture_output=True, check=False).returncode == 2

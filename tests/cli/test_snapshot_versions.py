"""A safety snapshot says which Prometheus and which Alertmanager run: both are asked for real."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from free_ports import free_port
from loopback_prometheus import Prometheus, until
from real_alertmanager import Alertmanager
from snapshot_desk import NOBODY

from risk_policy.contracts.safety_snapshot import SafetySnapshot

_NOTHING = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


def test_the_versions_are_those_that_run(
    taken: Callable[..., SafetySnapshot], policy: Path, tmp_path: Path
) -> None:
    own, other = free_port(), free_port()
    policy.write_text(NOBODY.replace(':3"', f':{own}"').replace(':4"', f':{other}"'))
    for name, text in {"prometheus": "{}", "alertmanager": _NOTHING}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.yml").write_text(text)
    prometheus = Prometheus(tmp_path / "prometheus", own)
    alertmanager = Alertmanager(tmp_path / "alertmanager", other, until)
    try:
        prometheus.start()
        alertmanager.start()
        found = taken()
    finally:
        prometheus.end()
        alertmanager.stop()
        alertmanager.client.close()
    assert found.versions.prometheus == version("prometheus")
    assert found.versions.alertmanager == version("amtool")
    states = {one.name: one.state for one in found.sources}
    assert (states["prometheus"], states["alertmanager"]) == ("read", "read")


def version(program: str) -> str:
    """As it says itself: its name, "version", the version."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).split()[2]

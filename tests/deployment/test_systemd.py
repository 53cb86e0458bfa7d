"""The units of systemd: hardened, understood by systemd, and starting what there is."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import nursery
import pytest
from deployed import POLICY, ROOT

from risk_policy import load_policy
from risk_policy.contracts.artefact import duration
from risk_receivers.signer import process as signer

FOLDER: Final = ROOT / "deploy" / "systemd"
UNITS: Final = sorted(path.name for path in FOLDER.glob("*.service"))
HARDENING: Final = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
    "Restart": "always",
}
#: systemd's own figure: 0 is nothing left open, 10 is everything.
_MOST_EXPOSED: Final = 20
_DEBIANS: Final = {"/usr/bin/prometheus", "/usr/bin/prometheus-alertmanager"}
_ANALYZE: Final = shutil.which("systemd-analyze")


class _Unit(configparser.RawConfigParser):
    def __init__(self, name: str) -> None:
        super().__init__(strict=False, interpolation=None, comment_prefixes=("#",))
        self.optionxform = str  # type: ignore[assignment, method-assign]
        self.read_string((FOLDER / name).read_text("utf-8"))


def command(name: str) -> list[str]:
    return _Unit(name)["Service"]["ExecStart"].split()


def test_every_part_has_a_unit() -> None:
    assert UNITS == [
        "riskwarden-alertmanager.service",
        "riskwarden-exporter.service",
        "riskwarden-prometheus.service",
        "riskwarden-receivers@.service",
        "riskwarden-signer.service",
    ]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_hardened_and_has_a_user_and_bounds_of_its_own(name: str) -> None:
    service = _Unit(name)["Service"]
    for key, value in HARDENING.items():
        assert service[key] == value, key
    assert service["User"].startswith("riskwarden")
    assert {"MemoryMax", "TasksMax", "StateDirectory", "UMask"} <= set(service)
    users = re.findall(r"^u (\S+)", (FOLDER / "riskwarden.sysusers").read_text("utf-8"), re.M)
    assert service["User"] in users
    assert sum(_Unit(other)["Service"]["User"] == service["User"] for other in UNITS) == 1


@pytest.mark.skipif(not _ANALYZE, reason="no systemd-analyze here")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_itself_finds_little_left_open(name: str) -> None:
    done = subprocess.run(
        [
            *("systemd-analyze", "security", "--offline=true", "--no-pager"),
            *(f"--threshold={_MOST_EXPOSED}", str(FOLDER / name)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not _ANALYZE, reason="no systemd-analyze here")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_every_line(name: str, tmp_path: Path) -> None:
    text = (FOLDER / name).read_text("utf-8")
    # Whether a release is installed is not asked here.
    program = text.partition("\nExecStart=")[2].split()[0]
    (tmp_path / name).write_text(text.replace(f"ExecStart={program}", "ExecStart=/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    own = [line for line in done.stderr.splitlines() if str(tmp_path) in line or name in line]
    assert own == []
    (tmp_path / name).write_text(
        text.replace(program, "/bin/true") + "[Service]\nProtectHoem=yes\n"
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ProtectHoem" in done.stderr  # or the check above says nothing


def test_the_signer_has_no_network_and_nobody_else_its_key() -> None:
    service = _Unit("riskwarden-signer.service")["Service"]
    assert service["PrivateNetwork"] == "yes"
    assert service["RestrictAddressFamilies"] == "AF_UNIX"
    options = signer._options(command("riskwarden-signer.service")[1:])
    assert str(options.key).startswith(f"/var/lib/{service['StateDirectory']}/")
    assert str(options.socket).startswith(f"/run/{service['RuntimeDirectory']}/")
    for name in UNITS:
        if name != "riskwarden-signer.service":
            assert "/var/lib/riskwarden-signer" in _Unit(name)["Service"]["InaccessiblePaths"]


@pytest.mark.parametrize("name", ["riskwarden-receivers@.service", "riskwarden-exporter.service"])
def test_our_programs_take_the_options_that_they_are_given(name: str) -> None:
    program, flag, module, *options = command(name)
    assert (program.endswith("/bin/python"), flag) == (True, "-m")
    done = nursery.run(module, *options)
    # All that they miss here is the policy of that machine.
    assert done.returncode == 2
    assert "/etc/riskwarden/policy.toml" in done.stderr
    assert "cannot be read" in done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_debians_programs_know_their_flags(name: str) -> None:
    program, *options = command(name)
    if program not in _DEBIANS:
        return
    found = shutil.which(Path(program).name) or ""
    known = subprocess.run([found, "--help"], capture_output=True, text=True, check=False)
    for option in options:
        assert option.partition("=")[0] in known.stdout + known.stderr
        if "listen-address=" in option:
            assert option.partition("=")[2].partition(":")[0] in ("127.0.0.1", "")


def test_what_the_policy_decides_of_prometheus_is_what_its_command_says() -> None:
    timing = load_policy(ROOT / "policy" / "alerting.toml", {}).alerting.prometheus
    options = command("riskwarden-prometheus.service")
    assert f"--storage.tsdb.retention.time={timing.retention_days}d" in options
    assert f"--rules.alert.resend-delay={duration(timing.resend_delay_seconds)}" in options


def test_the_policy_of_the_units_finds_what_they_keep(tmp_path: Path) -> None:
    """As it is installed: the policy folder beside it, and the secrets in files."""
    shutil.copytree(ROOT / "policy" / "profiles", tmp_path / "policy" / "profiles")
    shutil.copy(ROOT / "policy" / "alerting.toml", tmp_path / "policy")
    shutil.copy(FOLDER / "policy.toml", tmp_path)
    environ = _environment(tmp_path)
    alerting = load_policy(tmp_path / "policy.toml", environ).alerting
    service: Any = _Unit("riskwarden-signer.service")["Service"]
    assert alerting.audit.signing.socket_path == f"/run/{service['RuntimeDirectory']}/signer.sock"
    named = {Path(one).name for key, one in environ.items() if key.endswith("_FILE")}
    assert {"alert_feed_token", "notification_feed_token"} <= named
    assert POLICY.is_file()


def _environment(folder: Path) -> dict[str, str]:
    lines = (FOLDER / "environment").read_text("utf-8").splitlines()
    pairs = dict(line.lstrip("#").split("=", 1) for line in lines if re.match(r"#?[A-Z_]+=", line))
    for name, value in pairs.items():
        if name.endswith("_FILE"):
            assert value.startswith("/etc/riskwarden/secrets/")
            path = folder / Path(value).name
            path.write_text("-1001" if "CHAT" in name else "https://hooks.slack.com/services/T/B/x")
            pairs[name] = str(path)
    return pairs

"""docs/deployment.md's way to systemd, line by line in a folder: a unit finds what it needs."""

from __future__ import annotations

import grp
import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from deployed import ROOT, SERVICES

from riskwarden.commands import upgrade

SECTION: Final = (
    (ROOT / "docs/deployment.md").read_text("utf-8").split("## systemd\n")[1].split("\n## ")[0]
)
LINES: Final = [
    line
    for block in re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
    for line in block.splitlines()
]
FOLDERS: Final = ("/etc/", "/opt/", "/usr/local/bin", "/var/lib/")
#: What makes users and releases, which are not made here; the latter is put in place beforehand.
NOT_HERE: Final = ("systemctl", "systemd-sysusers", "python3", "/opt/riskwarden/blue/bin/pip")
#: What the section asks people to fill in, for the profile that is chosen from the start.
CHANNELS: Final = {
    "slack_webhook_url": "https://hooks.slack.com/services/T0/B0/x",
    "telegram_bot_token": "123456:ABC",
    "telegram_chat_id": "-1001",
    "smtp_password": "a password",
}


class Machine:
    """A folder that stands for a machine's root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs = folder / "opt/riskwarden/blue/bin"
        programs.mkdir(parents=True)
        for name in ("riskwarden", "riskwarden-signer", "python"):
            program = Path(sys.executable).with_name(name)
            # Not by a link: a virtual environment is known by where its python is.
            (programs / name).write_text(f'#!/bin/sh\nexec "{program}" "$@"\n')
            (programs / name).chmod(0o755)

    def there(self, text: str) -> str:
        for name in FOLDERS:
            text = re.sub(rf"(?<![\w.}}]){name}", f"{self.folder}{name}", text)
        return text

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """A line of the document, as root of this machine would."""
        group = grp.getgrgid(os.getgid()).gr_name
        line = self.there(line).replace("riskwarden-secrets", group)
        line = re.sub(r"(^| )riskwarden ", f"\\1{self.folder}/usr/local/bin/riskwarden ", line)
        return subprocess.run(
            ["sh", "-euc", line], cwd=self.copy, capture_output=True, text=True, check=False
        )

    @property
    def copy(self) -> Path:
        return self.folder / "checkout"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    for path in (ROOT / "deploy", ROOT / "policy"):
        for one in path.rglob("*"):
            if one.suffix == ".toml" or (path.name == "deploy" and one.is_file()):
                copy = machine.copy / one.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text(machine.there(one.read_text("utf-8")), "utf-8")
                copy.chmod(one.stat().st_mode)
    for line in LINES:
        if line.startswith("riskwarden policy check"):
            break
        if not line.startswith(NOT_HERE):
            done = machine.run(line)
            assert done.returncode == 0, (line, done.stderr)
    return machine


def test_what_is_missing_is_named_and_with_it_everything_is_generated(machine: Machine) -> None:
    generate = next(line for line in LINES if line.startswith("riskwarden generate"))
    done = machine.run(generate)
    assert done.returncode == 1
    secrets = machine.folder / "etc/riskwarden/secrets"
    assert "SMTP_HOST" in done.stderr
    assert str(secrets / "slack_webhook_url") in " ".join(done.stderr.split())
    for name, value in CHANNELS.items():
        assert (secrets / name).read_text() == ""
        (secrets / name).write_text(value)
    environment = machine.folder / "etc/riskwarden/environment"
    environment.write_text(environment.read_text().replace("#SMTP_HOST", "SMTP_HOST"))
    done = machine.run(generate)
    assert done.returncode == 0, done.stderr
    for unit in sorted((machine.folder / "etc/systemd/system").glob("*.service")):
        program, *options = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.M)[0].split()
        if program.startswith(str(machine.folder)):  # the others are Debian's
            assert Path(program.replace("%i", "blue")).exists()
        for option in options:
            path = option.rpartition("=")[2]
            if path.startswith(f"{machine.folder}/etc/"):
                assert Path(path).is_file(), (unit.name, path)
        for named in re.findall(r"^EnvironmentFile=(.*)$", unit.read_text(), re.M):
            assert Path(named).is_file()


def test_the_tokens_of_the_generated_files_are_those_that_were_made(machine: Machine) -> None:
    secrets = machine.folder / "etc/riskwarden/secrets"
    named = {
        Path(found)
        for path in (machine.folder / "etc/riskwarden/generated").rglob("*.yml")
        for found in re.findall(r"(\S+/secrets/\w+)", path.read_text("utf-8"))
        if path.parent.name == "generated"
    }
    assert {path.name for path in named} >= {"alert_feed_token", "notification_feed_token"}
    assert all(path.parent == secrets and path.read_text() for path in named), named
    assert not any(path.stat().st_mode & 0o007 for path in secrets.iterdir())


@pytest.mark.parametrize("part", ["prometheus", "alertmanager", "exporter"])
def test_a_unit_sees_the_secrets_that_its_container_has_and_no_other(part: str) -> None:
    unit = (ROOT / f"deploy/systemd/riskwarden-{part}.service").read_text("utf-8")
    assert "TemporaryFileSystem=/etc/riskwarden/secrets:ro\n" in unit
    (bound,) = re.findall(r"^BindReadOnlyPaths=(.*)$", unit, re.M)
    seen = {Path(path.lstrip("-")).name for path in bound.split()}
    container = SERVICES.get(part) or SERVICES[f"{part}-1"]
    assert seen - {"remote_write_key"} == set(container["secrets"])


def test_the_signer_sees_nothing_of_others() -> None:
    unit = (ROOT / "deploy/systemd/riskwarden-signer.service").read_text("utf-8")
    assert "InaccessiblePaths=-/var/lib/riskwarden -/etc/riskwarden\n" in unit


def test_a_command_knows_policy_and_data_of_the_services() -> None:
    text = (ROOT / "deploy/systemd/riskwarden").read_text("utf-8")
    environment = (ROOT / "deploy/systemd/environment").read_text("utf-8")
    known = dict(re.findall(r"^(RISKWARDEN_(?:POLICY|DATA))=(.*)$", environment, re.M))
    unit = (ROOT / "deploy/systemd/riskwarden-receivers@.service").read_text("utf-8")
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.M)
    options = shlex.split(command)
    assert known["RISKWARDEN_POLICY"] == options[options.index("--policy") + 1]
    assert known["RISKWARDEN_DATA"] == options[options.index("--data") + 1]
    assert f"--reuid={re.findall(r'^User=(.*)$', unit, re.M)[0]} " in text


def test_what_an_upgrade_starts_is_what_a_reboot_starts() -> None:
    """And so is what it goes back to: the unit that is stopped is disabled, whichever it is."""
    default = inspect.signature(upgrade.upgrade).parameters
    assert default["start"].default == "systemctl enable --now riskwarden-receivers@{}.service"
    assert default["stop"].default == "systemctl disable --now riskwarden-receivers@{}.service"

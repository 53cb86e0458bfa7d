"""docs/deployment.md: every command in it is one, and every file that it names is there."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path
from typing import Final

import nursery
import pytest
from deployed import COMPOSE, ROOT, SERVICES

from risk_policy import load_policy

TEXT: Final = (ROOT / "docs" / "deployment.md").read_text("utf-8")
COMMANDS: Final = [
    line
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
    if line
]
#: What is said of a command that cannot run in a test.
NEEDS: Final = re.compile(r"# needs (docker|root|systemd|the package index)$")


def words(line: str) -> list[str]:
    return shlex.split(line, comments=True)


def test_what_a_command_needs_is_said() -> None:
    for line in COMMANDS:
        program = words(line)[0]
        said = NEEDS.search(line) is not None
        around = TEXT[: TEXT.index(line)].rsplit("\n\n", 2)[-2]
        local = program in ("riskwarden", "cat", "sudo") and "/etc/" not in line
        assert said or local or "needs docker" in around, line


@pytest.mark.parametrize(
    "line",
    [x for x in COMMANDS if words(x)[0] == "riskwarden" and "policy/" in x and "/etc/" not in x],
)
def test_a_command_of_ours_runs_as_it_stands(line: str) -> None:
    done = nursery.run("riskwarden", *words(line)[1:], cwd=ROOT)
    differs = 1 if " diff " in line else 0
    assert (done.returncode, done.stderr) == (differs, ""), done.stdout


@pytest.mark.parametrize("line", [x for x in COMMANDS if words(x)[0] == "riskwarden"])
def test_a_command_of_ours_knows_its_options(line: str) -> None:
    said = words(line)[1:]
    name = next(i for i, word in enumerate([*said, "-"]) if word.startswith("-") or "/" in word)
    options = {word for word in said if word.startswith("--")}
    command = [word for word in said[:name] if re.fullmatch("[a-z]+", word)][:2]
    command = command[:1] if command[0] in ("upgrade", "generate") else command
    shown = nursery.run("riskwarden", *command, "--help")
    assert shown.returncode == 0
    assert all(option in shown.stdout for option in options), shown.stdout


def test_the_digest_of_a_profile_is_what_the_document_computes() -> None:
    (line,) = [x for x in COMMANDS if x.startswith("cat ")]
    files = [ROOT / word for word in words(line.partition("|")[0])[1:]]
    content = b"".join(path.read_bytes() for path in files)
    assert load_policy(files[-1], {}).digest == hashlib.sha256(content).hexdigest()


def test_compose_commands_name_services_and_profiles_that_exist() -> None:
    profiles = {name for one in SERVICES.values() for name in one.get("profiles", ())}
    found = [words(line)[2:] for line in COMMANDS if line.startswith("docker compose ")]
    assert len(found) >= 8
    for said in found:
        if said[0] == "--profile":
            assert said[1] in profiles
        elif said[0] == "exec":
            assert said[1] in SERVICES
        elif said[0] == "run":
            service, *command = [word for word in said[1:] if not word.startswith("-")]
            assert service in SERVICES
            assert command[:1] in ([], ["riskwarden"])
        elif said[0] in ("kill", "restart"):
            named = {word for word in said[1:] if not word.startswith("-")} - {"HUP"}
            assert named <= SERVICES.keys()


def test_units_that_it_starts_are_those_that_there_are() -> None:
    units = {
        path.name.removesuffix(".service") for path in (ROOT / "deploy/systemd").glob("*.service")
    }
    enabled = {
        re.sub("@.*", "@", word)
        for line in COMMANDS
        if line.startswith("systemctl enable")
        for word in words(line)[3:]
    }
    assert enabled == units


def test_every_file_and_key_that_it_names_is_there() -> None:
    for path in re.findall(r"`((?:deploy|policy)/[\w./-]+)`", TEXT):
        if not path.startswith(("deploy/secrets", "deploy/channels")):
            assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\(([\w.]+)[#)]", TEXT):
        assert (ROOT / "docs" / path).exists(), path
    for network in re.findall(r"^\| `(.+?)`", TEXT, re.M):
        for name in network.replace("`", "").split(", "):
            if ":" in name:  # an image, of which test_compose.py asks
                continue
            assert name in COMPOSE["networks"] or Path(name).suffix == ".toml", name

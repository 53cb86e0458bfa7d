"""What the README shows works as it stands, and what it and CONTRIBUTING name is there."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import nursery
import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_embedding_example_runs_and_the_gate_is_closed_without_receivers(
    tmp_path: Path,
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
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

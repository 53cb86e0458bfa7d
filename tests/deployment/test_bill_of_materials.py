"""./dev audit: what it asks of its tools, and what it makes of what they say.

The tools come from the package index into an environment of their own; here stand-ins of them are
there already, so nothing is fetched.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from deployed import ROOT

_BILL: Final = """\
import json, sys
wanted = sys.argv[sys.argv.index("--output-file") + 1]
found = [{"name": "riskwarden", "version": "0.1.0"}, {"name": "flask", "version": "3.1.2"}]
with open(wanted, "w") as stream:
    json.dump({"bomFormat": "CycloneDX", "components": found}, stream)
"""
_NOTE: Final = """\
#!%s
import json, pathlib, sys
with open(pathlib.Path(__file__).with_suffix(".asked"), "w") as stream:
    json.dump(sys.argv[1:], stream)
%s
"""


class Audit:
    """A copy of what the command needs, with its tools in place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("dev", "pyproject.toml", "constraints-audit.txt"):
            (folder / name).write_bytes((ROOT / name).read_bytes())
        (folder / "dev").chmod(0o755)
        self.tools = folder / "venv-audit"
        (self.tools / "bin").mkdir(parents=True)
        # As ./dev computes it.
        stamp = subprocess.run(
            ["sh", "-c", "cat pyproject.toml constraints-audit.txt dev | cksum"],
            cwd=folder,
            capture_output=True,
            check=True,
        )
        (self.tools / ".stamp").write_bytes(stamp.stdout)
        (self.tools / "bin/python").symlink_to(sys.executable)
        self.tool("cyclonedx-py", _BILL)
        self.tool("pip-audit", "")

    def tool(self, name: str, does: str) -> None:
        path = self.tools / "bin" / name
        path.write_text(_NOTE % (sys.executable, does), encoding="utf-8")
        path.chmod(0o755)

    def asked(self, name: str) -> list[str]:
        found: list[str] = json.loads((self.tools / "bin" / f"{name}.asked").read_text())
        return found

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "dev", "audit", sys.executable],
            env={**os.environ, "RISKWARDEN_VENV": str(self.folder / "venv")},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    return Audit(tmp_path)


def test_a_bill_is_written_and_everything_on_it_but_ourselves_is_looked_up(audit: Audit) -> None:
    done = audit.run()
    assert done.returncode == 0, done.stderr
    asked = audit.asked("cyclonedx-py")
    assert asked[0] == "environment"
    assert asked[-1] == sys.executable
    assert "--validate" in asked
    assert asked[asked.index("--spec-version") + 1] == "1.6"
    bill = json.loads((audit.folder / "var/sbom.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    looked_up = audit.asked("pip-audit")
    # A package that cannot be looked up is not one without a vulnerability.
    assert "--strict" in looked_up
    listed = audit.folder / looked_up[looked_up.index("--requirement") + 1]
    assert listed.read_text() == "flask==3.1.2\n"


def test_a_vulnerability_fails_it(audit: Audit) -> None:
    audit.tool("pip-audit", "sys.exit(1)")
    assert audit.run().returncode == 1


def test_without_a_bill_nothing_is_called_looked_up(audit: Audit) -> None:
    audit.tool("cyclonedx-py", "sys.exit(2)")
    assert audit.run().returncode == 2
    assert not (audit.tools / "bin/pip-audit.asked").exists()


def test_the_tools_that_are_installed_are_pinned_each_by_its_version() -> None:
    (installed,) = re.findall(r"constraints-audit\.txt '(.*)$", (ROOT / "dev").read_text(), re.M)
    pinned = re.findall(r"^([\w.-]+)==[\w.]+$", (ROOT / "constraints-audit.txt").read_text(), re.M)
    named = re.findall(r"([a-z-]+)>=", installed)
    assert len(named) == 2
    assert set(named) <= {name.replace("_", "-") for name in pinned}

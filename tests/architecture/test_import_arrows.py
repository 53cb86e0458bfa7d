"""Who may import whom: the layout is the architecture only as long as the imports agree."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "risk_policy": "policy",
    "risk_exporter": "exporter",
    "risk_rules": "rules",
    "risk_alertmanager": "alertmanager",
    "risk_receivers": "receivers",
    "risk_grafana": "grafana",
    "risk_runtime": "runtime",
    "riskwarden": "cli",
}
#: What a package may import besides itself and the policy.
ALLOWED = {
    "risk_policy": set(),
    "risk_exporter": set(),
    "risk_rules": set(),
    "risk_alertmanager": set(),
    "risk_receivers": set(),
    "risk_grafana": set(),
    "risk_runtime": {"risk_exporter"},
    "riskwarden": set(PACKAGES),
}
#: What `pip install riskwarden` alone brings, and all that an embedded part may need.
#: Asked for by whoever keeps secrets there, and imported by nobody else.
VAULTS = "hvac"
BASE = {"prometheus_client", "numpy", "pydantic", "pydantic_core"}
EMBEDDED = {"risk_policy", "risk_exporter", "risk_runtime"}
#: What the adapters bring a runtime's own package for, and only there.
ADAPTERS = ROOT / "runtime" / "risk_runtime" / "adapters"
RUNTIMES = {"nautilus": "nautilus_trader"}
#: What the generators share, who come with the extra that brings PyYAML.
GENERATORS_OWN = "risk_policy.contracts.document"


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def imports_of(package: str, *, without: str = "") -> set[str]:
    folder = ROOT / PACKAGES[package]
    left_out = folder.joinpath(*without.split(".")).with_suffix(".py") if without else None
    paths = (folder / package).rglob("*.py")
    return {name for path in paths if path != left_out for name in imported(path)}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_component_imports_only_what_the_arrows_allow(package: str) -> None:
    ours = imports_of(package) & PACKAGES.keys()
    assert ours <= ALLOWED[package] | {package, "risk_policy"}


@pytest.mark.parametrize("package", sorted(EMBEDDED))
def test_an_embedded_component_needs_only_the_base_dependencies(package: str) -> None:
    found = imports_of(package, without=GENERATORS_OWN) - {*RUNTIMES.values(), VAULTS}
    assert found - PACKAGES.keys() - set(sys.stdlib_module_names) <= BASE
    sources = (ROOT / PACKAGES[package] / package).rglob("*.py")
    assert not [path for path in sources if GENERATORS_OWN in path.read_text(encoding="utf-8")]


def test_a_runtime_is_imported_by_its_own_adapter_alone() -> None:
    for folder in PACKAGES.items():
        for path in ROOT.joinpath(folder[1], folder[0]).rglob("*.py"):
            for adapter, runtime in RUNTIMES.items():
                if runtime in imported(path):
                    assert path.is_relative_to(ADAPTERS / adapter), path


def test_the_gate_alone_pulls_in_neither_numpy_nor_the_exporter() -> None:
    program = (
        "import sys, risk_runtime\n"
        "print(*sorted({'numpy', 'risk_exporter', 'prometheus_client'} & sys.modules.keys()))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == ""


def test_receivers_without_a_database_server_load_no_driver_of_one() -> None:
    program = "import sys, risk_receivers.__main__\nprint('psycopg' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "False"


#: Megabytes each, for what these receivers do not do: figures, other databases, other channels than
#: theirs, mail, TLS, reports, a command line, a description of the API that nobody asks for.
NOT_WHILE_IDLE = {
    *("numpy", "pandas", "psycopg", "hvac", "apprise", "weasyprint", "typer", "rich", "pygments"),
    *("smtplib", "cryptography.x509", "yaml"),
    *("risk_receivers.channels.mail", "risk_receivers.document.model"),
    *("risk_receivers.openapi.described", "risk_exporter", "risk_rules", "risk_runtime"),
}
IDLE = """
import sys
from pathlib import Path
import risk_receivers.__main__
from risk_policy import parse_policy
from risk_receivers.service import running
with running(parse_policy(b""), Path(sys.argv[1]), "127.0.0.1:1"):
    print(*sys.modules)
"""


def test_idle_receivers_hold_nothing_that_they_do_not_need(tmp_path: Path) -> None:
    whose = ("ALERT_FEED", "NOTIFICATION_FEED", "SNAPSHOT", "RUNTIME", "OPERATOR")
    tokens = {f"RISKWARDEN_{name}_TOKEN": name.lower() for name in whose}
    held = subprocess.run(
        [sys.executable, "-c", IDLE, tmp_path],
        env={**os.environ, **tokens},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "flask" in held, "it ran"
    assert NOT_WHILE_IDLE.isdisjoint(held), NOT_WHILE_IDLE & {*held}


#: One file on purpose: an auditor copies it to a machine of their own and reads it from the top.
ONE_FILE = "cli/riskwarden/auditor/riskwarden_verify.py"


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    folders = [ROOT / folder / package for package, folder in PACKAGES.items()]
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in (*folders, ROOT / "tests")
        for path in folder.rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long.keys() <= {ONE_FILE}


def test_no_file_of_tests_is_without_one() -> None:
    """An empty one passes: a merge can leave it so, and nobody would miss what it has shown."""
    files = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "tests_runtimes").rglob("test_*.py")]
    assert len(files) > 300
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files}
    empty = {
        name
        for name, text in texts.items()
        if not re.search(r"^ *def test_|\.TestCase$", text, re.M)
    }
    assert not empty

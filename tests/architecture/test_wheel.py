"""The built wheel, not the checkout: a file left out passes every editable test."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing in it but the installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def run(installed: Path, program: str, *arguments: str) -> str:
    """Run a program that sees the wheel first, in a folder that holds no checkout."""
    environ = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=installed.parent,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_brings_every_component_from_its_own_folder(installed: Path) -> None:
    names = (
        "risk_policy risk_exporter risk_rules risk_alertmanager risk_receivers risk_grafana "
        "risk_runtime"
    )
    program = (
        "import sys, importlib\n"
        "for name in sys.argv[1].split(): print(importlib.import_module(name).__file__)"
    )
    found = run(installed, program, names + " riskwarden").split()
    assert len(found) == 8
    assert all(Path(path).is_relative_to(installed) for path in found)


def test_the_wheel_brings_a_valid_policy(installed: Path) -> None:
    program = (
        "from risk_policy import *; p = default_policy_path(); "
        "print(p); print(load_policy(p).digest)"
    )
    path, digest = run(installed, program).split()
    assert Path(path).is_relative_to(installed)
    assert len(digest) == 64


def test_the_wheel_brings_the_prices_and_their_provenance(installed: Path) -> None:
    data = installed / "risk_runtime" / "data"
    assert (data / "prices_2006_2009.csv").stat().st_size > 100_000
    assert "public domain" in (data / "PROVENANCE.md").read_text(encoding="utf-8")


def test_the_wheel_brings_the_templates_of_messages(installed: Path) -> None:
    program = (
        "from risk_receivers.templating.renderer import Renderer\n"
        "from risk_receivers.templating.samples import sample\n"
        "print(Renderer().render_for('email')(sample()).html)"
    )
    assert "Open the runbook" in run(installed, program)


def test_the_wheel_brings_the_console(installed: Path) -> None:
    program = (
        "from risk_receivers.console.assets import Assets\n"
        "found = Assets.read('/console', live=True)\n"
        "print(*found.pages, *found.files)"
    )
    names = run(installed, program).split()
    assert {"index", "login", "app.js", "base.css", "logo.svg"} <= {*names}


def test_every_component_of_the_wheel_is_typed(installed: Path) -> None:
    packages = [path for path in installed.iterdir() if (path / "__init__.py").exists()]
    assert len(packages) == 8
    assert all((path / "py.typed").exists() for path in packages)


def test_the_command_of_the_wheel_generates_from_the_policy_it_brings(installed: Path) -> None:
    program = "import sys; sys.argv[0] = 'riskwarden'; from riskwarden.__main__ import main; main()"
    root = installed.parent / "generated"
    run(installed, program, "generate", "--root", str(root))
    assert (root / "rules/generated/prometheus.yml").is_file()
    assert (root / "alertmanager/generated/alertmanager.yml").is_file()
    assert (root / "grafana/generated/overview.json").is_file()


def test_the_auditors_program_is_installed_as_a_command_of_its_own(installed: Path) -> None:
    program = (
        "import sys; from importlib.metadata import distribution\n"
        "(found,) = (one for one in distribution('riskwarden').entry_points "
        "if one.name == 'riskwarden-verify')\n"
        "sys.argv = ['riskwarden-verify', '--help']\n"
        "command = found.load()\n"
        "print(sys.modules[found.module].__file__)\n"
        "command()"
    )
    path, _, said = run(installed, program).partition("\n")
    assert Path(path).is_relative_to(installed)
    assert "NAME+ID+KEY" in said


def test_the_profiles_stand_on_the_policy_that_is_installed(installed: Path) -> None:
    program = (
        "from risk_policy import default_policy_path, load_policy\n"
        "path = default_policy_path().parent / 'profiles' / 'development.toml'\n"
        "print(path, load_policy(path).alerting.second_way.enabled)"
    )
    path, enabled = run(installed, program).split()
    assert Path(path).is_relative_to(installed)
    assert enabled == "False"

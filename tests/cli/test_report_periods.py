"""`riskwarden report compliance | daily | weekly | sla` as a user meets them, the stack down."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from told_chain import Desk, tell_the_day
from typer.testing import CliRunner, Result

from riskwarden.app import application

DAY = ("--since", "2026-03-02", "--until", "2026-03-03", "--prometheus", "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    (data / "audit").mkdir()
    desk = Desk(data / "audit" / "audit.db")
    tell_the_day(desk)
    desk.stop()
    return data


def report(name: str, *options: str) -> Result:
    arguments = ["report", name, *options]
    return CliRunner().invoke(application(arguments), arguments)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("compliance", "| Total Alerts | 4 |"),
        ("daily", "| Alerts | 4 | nothing to compare with |"),
        ("weekly", "| main | 1 | 2 | 1 |"),
        ("sla", "| breach to gate | 95% within 2s | 50% | 2 | 1s | 3s | 3s | 3s | ❗ missed |"),
    ],
)
def test_a_report_on_a_day_is_printed(told: Path, name: str, line: str) -> None:
    done = report(name, "--data", str(told), *DAY)
    assert done.exit_code == 0, done.stderr
    assert line in done.stdout
    assert "Prometheus at http://127.0.0.1:9 does not answer" in done.stdout or name == "compliance"


def test_a_file_is_written_in_the_form_of_its_name(told: Path, tmp_path: Path) -> None:
    for name, begins in (("r.html", b"<!doctype html>"), ("r.pdf", b"%PDF-"), ("r.md", b"# Risk")):
        done = report("compliance", "--data", str(told), *DAY, "--output", str(tmp_path / name))
        assert done.exit_code == 0, done.stderr
        assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "monday"), "write a day like 2026-11-30"),
        (("--since", "1h", "--until", "2h"), "not after its start"),
        (("--output", "report.docx"), "is no form"),
        (("--data", "/nowhere"), "name the data folder with --data"),
    ],
)
def test_what_cannot_be_reported_says_what_to_do(
    told: Path, options: tuple[str, ...], said: str
) -> None:
    done = report("daily", "--data", str(told), *options)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_a_chain_that_is_no_chain_is_said_to_be_none(told: Path, tmp_path: Path) -> None:
    shutil.copy(__file__, tmp_path / "audit.db")
    done = report("daily", "--database", str(tmp_path / "audit.db"))
    assert done.exit_code == 2
    assert "audit.db" in done.stderr
    assert "Traceback" not in done.stderr

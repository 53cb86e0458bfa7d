"""`riskwarden report incident` and `report incidents`, as somebody calls them."""

from __future__ import annotations

import json
import sqlite3
from html.parser import HTMLParser
from pathlib import Path

import pytest
from free_ports import free_port
from incident_chain import INCIDENT, emergency
from typer.testing import CliRunner, Result

from risk_policy.contracts.audit import EventType
from riskwarden.app import application


def call(*arguments: object) -> Result:
    line = ["report", *map(str, arguments)]
    return CliRunner().invoke(application(line), line)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a run that has ended, with nothing of Prometheus in it."""
    chain = emergency()
    chain.created(700, "drawdown/main:warning:2")
    chain.write(tmp_path / "audit" / "audit.db")
    endpoints = dict.fromkeys(("exporter", "receivers", "alertmanager"), "127.0.0.1:1")
    endpoints["prometheus"] = f"127.0.0.1:{free_port()}"
    (tmp_path / "stack.json").write_text(
        json.dumps({"environment": "paper", "endpoints": endpoints})
    )
    return tmp_path


def test_the_dossier_tells_every_step_with_its_record(data: Path) -> None:
    done = call("incident", INCIDENT, "--data", data)
    assert done.exit_code == 0, done.output
    steps = [line.split("|")[2].split()[-1] for line in done.output.splitlines() if "| 12:" in line]
    assert steps[:2] == ["breach", "fired"]
    assert "| olga |" in done.output
    assert "through slack" in done.output
    assert "Drawdown is 20.6%." in done.output, "the message as it was sent"
    assert "20.6%, threshold 20%" in done.output
    assert "All 13 records of the chain were verified" in done.output
    assert "`drawdown/main:warning:1`" in done.output
    assert "does not answer" in done.output, "why no values of Prometheus stand there"
    assert "has left nothing here" in done.output


def test_what_is_signed_is_proven_and_what_is_not_is_said(tmp_path: Path) -> None:
    database = emergency().write(tmp_path / "audit.db", signed=10)
    done = call("incident", INCIDENT, "--database", database, "--prometheus", "http://127.0.0.1:1")
    assert done.exit_code == 0, done.output
    assert "The newest checkpoint is over 10 records" in done.output
    assert done.output.count("in the 10") == 9
    assert done.output.count("not yet") == 2
    assert "record 2, leaf 1 of 10" in done.output
    assert "— test " in done.output, "the signature itself"


def test_the_latest_is_the_one_that_began_last_as_bad_as_asked_for(data: Path) -> None:
    assert (
        "# Incident drawdown/main:warning:2" in call("incident", "--latest", "--data", data).output
    )
    worst = call("incident", "--latest", "--severity", "critical", "--data", data)
    assert f"# Incident {INCIDENT}" in worst.output


def test_a_changed_record_is_the_first_thing_said(data: Path) -> None:
    with sqlite3.connect(data / "audit" / "audit.db") as connection:
        (payload,) = connection.execute(
            "SELECT payload FROM audit_payload WHERE seq = 3"
        ).fetchone()
        connection.execute(
            "UPDATE audit_payload SET payload = ? WHERE seq = 3",
            (payload.replace(b"tripped", b"skipped"),),
        )
    connection.close()
    done = call("incident", INCIDENT, "--data", data)
    assert done.exit_code == 0
    assert (
        "The audit chain does not verify: what stands here may not be what happened." in done.output
    )
    assert "Records of this incident are damaged: 3." in done.output


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_nothing_on_record_steers_whoever_reads_it(tmp_path: Path, suffix: str) -> None:
    chain = emergency()
    chain.add(
        EventType.ALERT_ESCALATED, 2, incident=INCIDENT, message="\x1b]0;all is well\x07\u202egnorw"
    )
    path = tmp_path / f"dossier{suffix}"
    database = chain.write(tmp_path / "audit.db")
    nobody = ("--prometheus", "http://127.0.0.1:1")
    done = call("incident", INCIDENT, "--database", database, "-o", path, *nobody)
    assert done.exit_code == 0, done.output
    text = path.read_text()
    assert "all is well" in text
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


class _Words(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_it_is_written_as_a_page_for_whoever_asks(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "dossier.html"
    done = call("incident", INCIDENT, "--data", data, "-o", page)
    assert done.exit_code == 0, done.output
    words = " ".join(_Words(page.read_text()).words)
    assert "acknowledged" in words
    assert not list(tmp_path.glob(".*.new"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "name an incident, or ask for the --latest"),
        ((INCIDENT, "--latest"), 2, "name an incident, or ask for the --latest"),
        (("drawdown/main",), 2, "write RISK_ID:TIER:EPISODE"),
        (("drawdown/main:emergency:8",), 1, "nothing is on record of drawdown/main:emergency:8"),
        ((INCIDENT, "--output", "dossier.odt"), 2, "is no form"),
        ((INCIDENT, "--database", "nowhere.db"), 2, "no audit database"),
    ],
)
def test_what_cannot_be_told_says_why(
    data: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = call("incident", *arguments, "--data", data)
    assert (done.exit_code, said in done.output) == (code, True), done.output


def test_the_list_shows_what_there_is_the_latest_first(data: Path) -> None:
    done = call("incidents", "--data", data)
    found = [line.split()[0] for line in done.output.splitlines()[1:]]
    assert found == ["drawdown/main:warning:2", INCIDENT, "drawdown/main:warning:1"]
    (worst,) = json.loads(
        call("incidents", "--data", data, "--severity", "emergency", "--json").output
    )
    assert (worst["id"], worst["state"], worst["killed"]) == (INCIDENT, "resolved", True)
    cut = call("incidents", "--data", data, "--limit", "1")
    assert "2 more" in cut.output


def test_a_long_name_stands_there_whole(data: Path) -> None:
    """It is what `report incident` takes."""
    name = "alerts_undelivered/http://127.0.0.1:9465/api/v2/alerts/main:critical:1"
    chain = emergency()
    chain.created(700, name)
    chain.write(data / "long.db")
    done = call("incidents", "--data", data, "--database", data / "long.db")
    shown = "".join(line.split("  ")[0].strip() for line in done.output.splitlines()[1:3])
    assert shown.startswith(name), done.output

"""`riskwarden audit prune` and `riskwarden audit hold`."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chain_archive import DAY, Archive
from typer.testing import CliRunner, Result

from risk_policy.contracts.audit import EventType
from riskwarden.app import application


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Archive]:
    """Records of a hundred days ago, and of now."""
    now = datetime.now(UTC)
    archive = Archive(tmp_path / "audit.db", begin=now - 100 * DAY)
    archive.add(EventType.ALERT_CREATED, 3, details={"account": "main"})
    archive.add(EventType.ALERT_RESOLVED, details={"account": "other"})
    archive.add(EventType.KILL_SWITCH_LOOSENING_ASKED)
    archive.come_to(now)
    yield archive
    archive.writer.stop()


def run(archive: Archive, *arguments: str, stdin: str | None = None) -> Result:
    given = ["audit", *arguments, "--database", str(archive.database)]
    return CliRunner().invoke(application(given), given, input=stdin)


def place(archive: Archive, *covers: str) -> Result:
    return run(archive, "hold", "place", "case-7", "--reason", "asked", "--by", "ann", *covers)


def test_a_dry_run_says_what_would_go_and_deletes_nothing(old: Archive) -> None:
    place(old, "--first", "2", "--last", "2")
    done = run(old, "prune", "--dry-run")
    assert done.exit_code == 0
    assert ["ALERT_CREATED", "2"] in [line.split()[:2] for line in done.stdout.splitlines()]
    assert "3 payloads were due before" in done.stdout
    assert "1 are due and stay: legal hold case-7" in done.stdout
    assert old.gone() == []


def test_pruning_deletes_what_is_due_beside_a_running_writer(old: Archive) -> None:
    done = run(old, "prune", "--yes", "--by", "ann")
    assert (done.exit_code, done.stderr) == (0, "")  # no bar where there is no terminal
    assert "4 payloads deleted" in done.stdout
    old.add()
    assert old.gone() == [1, 2, 3, 4]
    assert old.verify(datetime.now(UTC)).problems == ()
    (told,) = old.of_type(EventType.RETENTION_APPLIED)
    assert told.payload is not None
    assert (told.payload.actor_id, told.origin) == ("ann", "riskwarden audit")
    verified = run(old, "verify")
    assert "(4 payloads deleted by retention)" in verified.stdout
    assert "nothing is due" in run(old, "prune", "--yes").stdout


def test_what_is_gone_says_so_wherever_it_is_shown(old: Archive, tmp_path: Path) -> None:
    run(old, "prune", "--yes")
    assert "deleted by retention (record 10)" in run(old, "show", "1").stdout
    rows = list(csv.DictReader(io.StringIO(run(old, "query", "--csv").stdout)))
    assert rows[0]["message"] == "(deleted by retention)"
    done = run(old, "export", str(tmp_path / "out.csv"))
    assert "6 shown, 4 deleted by retention" in " ".join(done.stdout.split())


def test_a_copy_is_looked_at_and_never_written_to(old: Archive, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(old.path)) as source:
        source.execute("VACUUM INTO ?", (str(copy),))
    before = copy.read_bytes()
    given = ["audit", "prune", "--database", str(copy)]
    assert "4 payloads were due" in CliRunner().invoke(application(given), given).stdout
    for more in (["prune", "--yes"], ["hold", "place", "x", "--reason", "y", "--everything"]):
        given = ["audit", *more, "--database", str(copy)]
        done = CliRunner().invoke(application(given), given)
        assert done.exit_code == 2
        assert "is a copy" in done.stderr.replace("\n", " ")
    assert copy.read_bytes() == before
    assert not list(tmp_path.glob("copy.db?*"))


def test_without_a_yes_nothing_is_deleted(old: Archive) -> None:
    done = run(old, "prune")
    assert done.exit_code == 2
    assert "add --yes" in done.stderr
    assert old.gone() == []


def test_a_clock_that_jumped_is_refused_unless_somebody_vouches_for_it(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "audit.db", begin=datetime.now(UTC) - 100 * DAY)
    archive.add()
    refused = run(archive, "prune", "--yes")
    assert refused.exit_code == 1
    assert "nobody saw them pass" in refused.stderr.replace("\n", " ")
    assert archive.gone() == []
    done = run(archive, "prune", "--yes", "--clock-is-right", "--by", "ann")
    assert done.exit_code == 0
    archive.now = datetime.now(UTC)
    assert archive.gone() == [1]
    (told,) = archive.of_type(EventType.RETENTION_APPLIED)
    assert told.payload is not None
    assert told.payload.details["clock_vouched_for_by"] == "ann"
    archive.writer.stop()


def test_what_would_go_is_told_to_programs(old: Archive) -> None:
    told = json.loads(run(old, "prune", "--dry-run", "--json").stdout)
    assert told["count"] == 4
    assert told["by_type"]["ALERT_CREATED"]["count"] == 3
    assert told["clock_doubted"] is None
    assert told["deleted"] == 0
    told = json.loads(run(old, "prune", "--yes", "--json").stdout)
    assert (told["count"], told["deleted"]) == (4, 4)
    told = json.loads(run(old, "prune", "--yes", "--json").stdout)
    assert (told["count"], told["deleted"]) == (0, 0)


def test_a_hold_is_placed_listed_and_released(old: Archive) -> None:
    done = place(old, "--account", "main")
    assert done.exit_code == 0
    assert "legal hold case-7 is in force (record 10): accounts main" in done.stdout
    assert "case-7" in run(old, "hold", "list").stdout
    run(old, "prune", "--yes")
    assert old.gone() == [4]
    done = run(old, "hold", "release", "case-7", "--reason", "settled", "--by", "bob")
    assert done.exit_code == 0
    assert "no legal hold is in force" in run(old, "hold", "list").stdout
    (told,) = json.loads(run(old, "hold", "list", "--all", "--json").stdout)
    assert (told["placed_by"], told["released_by"], told["reason"]) == ("ann", "bob", "asked")
    run(old, "prune", "--yes")
    assert old.gone() == [1, 2, 3, 4]
    assert old.verify(datetime.now(UTC)).problems == ()


@pytest.mark.parametrize(
    ("covers", "problem"),
    [
        ([], "say what it covers"),
        (["--everything", "--last", "3"], "and not both"),
        (["--type", "NO_SUCH"], "there is no event type"),
        (["--first", "5", "--last", "4"], "no record can meet"),
        (["--last", "0"], "--last"),
        (["--since", "0001-01-01T00:00+14:00"], "beyond the dates"),
        (["--since", "yesterday"], "is no time"),
        (["--account", ""], "need a name"),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused(
    old: Archive, covers: list[str], problem: str
) -> None:
    done = place(old, *covers)
    assert done.exit_code == 2
    assert problem in done.stderr.replace("\n", " ")
    assert old.of_type(EventType.LEGAL_HOLD_PLACED) == []


@pytest.mark.parametrize(
    ("covers", "said"),
    [
        (["--account", "Main"], "3 of the payloads"),
        (["--account", "maine"], "nothing that is there falls under it"),
        (["--type", "alert", "--last", "2"], "2 of the payloads"),
        (["--everything"], "9 of the payloads"),
        (["--first", "100"], "nothing that is there falls under it"),
    ],
)
def test_how_much_a_hold_covers_is_said(old: Archive, covers: list[str], said: str) -> None:
    done = place(old, *covers)
    assert done.exit_code == 0
    assert said in " ".join((done.stdout + done.stderr).split())


def test_a_name_is_held_once(old: Archive) -> None:
    place(old, "--everything")
    done = place(old, "--everything")
    assert done.exit_code == 1
    assert "there is a legal hold case-7 already" in done.stderr


def test_a_group_of_types_is_held(old: Archive) -> None:
    place(old, "--type", "alert", "--until", (datetime.now(UTC) - timedelta(days=1)).isoformat())
    run(old, "prune", "--yes")
    assert old.gone() == []

"""`riskwarden audit query`, `show` and `tail`: what is asked for, and never what was changed."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result
from writers import append, started, writing

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit import browse, query
from risk_receivers.audit.event import AuditEvent
from risk_receivers.store.writer import Writer
from riskwarden.app import application
from riskwarden.commands.audit.shown import table

STORY = (
    AuditEvent(EventType.SERVICE_STARTED, "receivers started", category=Category.SYSTEM),
    AuditEvent(
        EventType.ALERT_CREATED,
        "drawdown began",
        severity=Severity.WARNING,
        category=Category.DRAWDOWN,
        alert_id="drawdown/main:warning:1",
        details={"labels": {"account": "main", "alertname": "DRAWDOWN_WARNING"}, "value": "0.11"},
    ),
    AuditEvent(
        EventType.ALERT_CREATED,
        '=HYPERLINK("http://evil")\x1b[31m',
        severity=Severity.CRITICAL,
        category=Category.POSITION,
        alert_id="position_loss/other/WTI:critical:2",
        details={"labels": {"account": "other"}},
    ),
    AuditEvent(
        EventType.KILL_SWITCH_ACTIVATED,
        "kill switch tripped by ann",
        severity=Severity.EMERGENCY,
        category=Category.KILL_SWITCH,
        actor_type=ActorType.USER,
        actor_id="ann",
        action_reason="Too Much at once",
        details={"scope": "account=main,symbol=WTI", "kill_id": "k1"},
    ),
    AuditEvent(
        EventType.KILL_SWITCH_CLEARED,
        "kill switch cleared by bob",
        actor_type=ActorType.USER,
        actor_id="bob",
        details={"waiting_for_accounts": ["main", "other"]},
    ),
)


def record(writer: Writer, *events: AuditEvent) -> None:
    for event in events:
        append(writer, event)


@pytest.fixture
def story(tmp_path: Path) -> Path:
    path = tmp_path / "story.db"
    with writing(path) as writer:
        record(writer, *STORY)
    return path


def audit(command: str, database: Path, *arguments: object) -> Result:
    given = ["audit", command, "--database", str(database), *map(str, arguments)]
    return CliRunner().invoke(application(given), given)


def seqs(done: Result) -> list[int]:
    return [json.loads(line)["header"]["seq"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("--reverse", [5, 4, 3, 2, 1]),
        ("--limit 2", [4, 5]),
        ("--limit 2 --reverse", [5, 4]),
        ("--limit 0", [1, 2, 3, 4, 5]),
        ("--limit 0 --reverse", [5, 4, 3, 2, 1]),
        ("--type alert_created", [2, 3]),
        ("--type KILL", [4, 5]),
        ("--type kill_switch_deactivated", [5]),
        ("--type kill-switch --type SERVICE_STARTED", [1, 4, 5]),
        ("--severity warning --severity critical", [2, 3]),
        ("--category drawdown", [2]),
        ("--account main", [2, 4, 5]),
        ("--account other", [3, 5]),
        ("--actor ann --actor bob", [4, 5]),
        ("--actor user", [4, 5]),
        ("--alert drawdown/main", [2]),
        ("--alert drawdown/main:warning:1", [2]),
        ("--alert drawdown_warning", [2]),
        ("--text 0.11", [2]),
        ("--text drawdown", [2]),
        ("--text value", []),  # the name of a field, which stands in everything of its kind
        ("--since 1h", [1, 2, 3, 4, 5]),
        ("--until 1h", []),
        ("--since 2020-01-01 --until 2020-01-02", []),
        ("--account main --actor ann", [4]),
    ],
)
def test_every_filter_picks_what_fits_it(story: Path, asked: str, found: list[int]) -> None:
    done = audit("query", story, "--json", *asked.split())
    assert (done.exit_code, seqs(done)) == (0, found)


def test_text_is_found_whatever_its_case(story: Path) -> None:
    assert seqs(audit("query", story, "--json", "--text", "too much AT ONCE")) == [4]


def test_whoever_sees_only_a_part_is_told_so(story: Path) -> None:
    assert "there are more" in audit("query", story, "--limit", 4).stderr
    assert audit("query", story, "--limit", 5).stderr == ""


def test_no_spreadsheet_takes_a_message_for_a_formula(story: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(audit("query", story, "--csv").stdout)))
    assert [row["seq"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert rows[2]["message"].startswith("'=HYPERLINK")
    assert json.loads(rows[1]["details"])["value"] == "0.11"
    assert rows[1]["account"] == "main"
    for row in rows:
        assert not any((cell or "").startswith(("=", "+", "-", "@")) for cell in row.values())


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_nor_where_it_splits_the_line_at_something_else(tmp_path: Path, separator: str) -> None:
    evil = ("a;=1", "a\n=1", "a\r\n+1", "a;\t-1", 'a;"=1"', "a| @x", "\uff1d1", "' =1", "\t=1")
    path = tmp_path / "evil.db"
    with writing(path) as writer:
        record(writer, *(AuditEvent(EventType.ALERT_CREATED, one) for one in evil))
    text = io.StringIO(audit("query", path, "--csv").stdout, newline="")
    for row in csv.reader(text, delimiter=separator):
        for cell in row:
            assert not cell.strip(" '\"").startswith(tuple("=+-@\uff1d")) or cell.startswith("'")


@pytest.mark.parametrize("way", [[], ["--csv"], ["--json"]])
def test_nothing_that_was_recorded_steers_the_terminal(story: Path, way: list[str]) -> None:
    with writing(story) as writer:
        record(writer, AuditEvent(EventType.ALERT_CREATED, "C1 \x9b31m and \u202eback"))
    shown = [audit("show", story, seq, *more) for seq in (3, 6) for more in ([], ["--json"])]
    for done in (audit("query", story, *way), audit("tail", story), *shown):
        assert not {"\x1b", "\x9b", "\u202e"} & {*done.stdout}
        assert "HYPERLINK" in done.stdout or "C1 \\u009b31m" in done.stdout


def test_json_reads_back_what_would_have_steered(tmp_path: Path) -> None:
    path, message = tmp_path / "steering.db", '\x9b31m \u202e \u2028 \\ " \x7f'
    with writing(path) as writer:
        record(writer, AuditEvent(EventType.ALERT_CREATED, message))
    assert json.loads(audit("query", path, "--json").stdout)["payload"]["message"] == message


@pytest.mark.parametrize("width", [40, 60, 80])
def test_nothing_is_cut_off_in_a_narrow_terminal(story: Path, width: int) -> None:
    shown = io.StringIO()
    Console(file=shown, width=width).print(table(query.events(story)))
    assert "\u2026" not in shown.getvalue()


@pytest.mark.parametrize("since", ["0001-01-01", "0001-01-01T00:00-14:00"])
def test_everything_may_be_asked_from_the_first_day_there_is(story: Path, since: str) -> None:
    for command in ("query", "tail"):
        assert seqs(audit(command, story, "--since", since, "--json")) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("command", ["show", "prove"])
def test_a_number_that_no_record_can_have_is_none(story: Path, command: str) -> None:
    done = audit(command, story, 10**23)
    assert done.exit_code == 1
    assert "there is no record 1000" in done.stderr


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("--type ALERT_CREATE", "no event type"),
        ("--type *", "no event type"),
        ("--since yesterday", "is no time"),
        ("--since 999999w", "longer ago than there are dates"),
        ("--since 1h --until 2h", "nothing lies between"),
        ("--since 0001-01-01T00:00+14:00", "beyond the dates"),
        ("--until 9999-12-31T23:59-14:00", "beyond the dates"),
        ("--json --csv", "exclude each other"),
    ],
)
def test_what_cannot_be_asked_is_said_with_what_can(story: Path, asked: str, said: str) -> None:
    done = audit("query", story, *asked.split())
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


EDIT = (
    "UPDATE audit_payload SET payload = "
    "CAST(replace(CAST(payload AS TEXT), 'by ann', 'by Mallory') AS BLOB) WHERE seq = 4"
)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (EDIT, "record 4 is NOT"),
        ("DELETE FROM audit_header WHERE seq = 4", "record 4 is missing before it"),
        ("UPDATE audit_header SET header = CAST('{}' AS BLOB) WHERE seq = 4", "record 4 is NOT"),
    ],
)  # fmt: skip
def test_a_changed_record_is_named_and_never_shown(
    story: Path, tamper: Callable[..., None], statement: str, named: str
) -> None:
    tamper(story, statement)
    for arguments in ((), ("--reverse",), ("--limit", 0), ("--json",), ("--csv",)):
        done = audit("query", story, *arguments)
        assert done.exit_code == 1
        assert named in done.stderr
        assert "Mallory" not in done.stdout
        assert "audit verify" in done.stderr
    assert audit("tail", story).exit_code == 1
    assert audit("show", story, 4).exit_code == 1


def test_pages_join_without_a_seam(
    database: Path, monkeypatch: pytest.MonkeyPatch, tamper: Callable[..., None]
) -> None:
    monkeypatch.setattr(browse, "_PAGE", 5)
    ahead = list(browse.forward(database))
    assert [one.seq for one in ahead] == list(range(1, 13))
    assert list(browse.backward(database)) == ahead[::-1]
    assert [one.seq for one in browse.forward(database, 7)] == list(range(8, 13))
    assert not any(one.problems for one in ahead)
    for gone in (1, 5, 6, 11):
        tamper(database, "DELETE FROM audit_header WHERE seq = ?", values=(gone,))
    ahead = list(browse.forward(database))
    assert list(browse.backward(database)) == ahead[::-1]
    assert [one.seq for one in ahead if one.problems] == [2, 7, 12]


def test_whoever_asks_for_the_last_hour_does_not_wait_for_years(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now = tmp_path / "long.db", datetime.now(UTC)
    times = [now - timedelta(days=days) for days in (900, 0, 800, 700, 600, 500, 0, 3, 0, 0)]
    writer = started(path, batch=1, clock=lambda: times.pop(0))
    record(writer, *[STORY[0]] * len(times))
    writer.stop()
    monkeypatch.setattr(browse, "_PAGE", 2)
    monkeypatch.setattr("riskwarden.commands.audit.query._LONG_AGO", 3)
    for limit in ("100", "0"):
        done = audit("query", path, "--since", "2d", "--json", "--limit", limit)
        assert seqs(done) == [7, 9, 10]
    assert len(seqs(audit("query", path, "--json", "--limit", "0"))) == 10


def test_one_record_is_shown_whole_with_what_was_hashed(story: Path) -> None:
    done = audit("show", story, 4, "--raw")
    assert done.exit_code == 0
    for part in ("KILL_SWITCH_ACTIVATED", "account=main,symbol=WTI", '"schema":1', "all hashes"):
        assert part in done.stdout
    told = json.loads(audit("show", story, 4, "--json", "--raw").stdout)
    assert told["intact"]
    assert json.loads(told["raw"]["header"])["seq"] == 4
    assert len(told["raw"]["salt"]) == 32
    assert audit("show", story, 6).exit_code == 1
    assert "no record 6" in audit("show", story, 6).stderr


def test_a_record_that_the_next_does_not_follow_from_is_not_shown_as_intact(
    story: Path, tamper: Callable[..., None]
) -> None:
    other = story.with_name("other.db")
    with writing(other) as writer:
        record(writer, *STORY)
    tamper(
        story,
        f"ATTACH '{other}' AS o",
        "DELETE FROM audit_header WHERE seq = 5",
        "DELETE FROM audit_payload WHERE seq = 5",
        "INSERT INTO audit_header SELECT * FROM o.audit_header WHERE seq = 5",
        "INSERT INTO audit_payload SELECT * FROM o.audit_payload WHERE seq = 5",
    )
    done = audit("show", story, 4)
    assert done.exit_code == 1
    assert "record 5 does not follow" in done.stdout
    assert not json.loads(audit("show", story, 4, "--json").stdout)["intact"]


def test_what_follows_is_shown_as_it_is_recorded_until_ctrl_c(story: Path) -> None:
    older = story.with_name("older.db")
    older.write_bytes(story.read_bytes())
    asked = [sys.executable, "-m", "riskwarden", "audit", "tail", "-f", "-n", "1", "--json"]
    with subprocess.Popen(
        [*asked, "--type", "kill", "--database", str(story)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as following:
        # It ends by itself for nobody who waits in vain.
        end = Timer(60, following.kill)
        end.start()
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["header"]["seq"] == 5
        with writing(story) as writer:
            record(writer, STORY[0], STORY[3])
            assert json.loads(following.stdout.readline())["header"]["seq"] == 7
            record(writer, STORY[4])
            assert json.loads(following.stdout.readline())["header"]["seq"] == 8
        # As `audit restore` puts a backup in its place: nothing of the old one is left, and its log
        # stays where somebody reads while the writer ends.
        for part in ("-wal", "-shm", ".head"):
            story.with_name(f"{story.name}{part}").unlink(missing_ok=True)
        older.replace(story)
        assert following.stderr is not None
        assert "ends at record 5 now" in following.stderr.readline()
        with writing(story) as writer:
            record(writer, STORY[3])
            assert json.loads(following.stdout.readline())["header"]["seq"] == 6
        following.send_signal(signal.SIGINT)
        rest, said = following.communicate(timeout=20)
        end.cancel()
    assert (rest, said.strip(), following.returncode) == ("", "", 0)


def test_the_latest_lines_are_shown_oldest_first(story: Path) -> None:
    done = audit("tail", story, "-n", 2)
    first, second = done.stdout.splitlines()
    assert " 4 KILL_SWITCH_ACTIVATED emergency " in first
    assert " 5 KILL_SWITCH_CLEARED - " in second
    assert audit("tail", story, "-n", 0).stdout == ""

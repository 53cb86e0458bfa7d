"""Each channel writes what it is told, once, where people will look for it."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import unicodedata
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from owed_messages import NOON, owed

from risk_policy import Policy, default_policy_path, load_policy, parse_policy
from risk_policy.model.channels import Channels
from risk_policy.vocabulary import Severity
from risk_receivers.channels import CHANNELS, enabled_channels
from risk_receivers.channels.console import ConsoleChannel
from risk_receivers.channels.file import FileChannel
from risk_receivers.channels.message import Kind, Message, Owed
from risk_receivers.channels.outbox import Outbox
from risk_receivers.schema import SCHEMA


def policy(text: str) -> Policy:
    return parse_policy(text.encode(), environ={})


def line(style: str, message: Owed) -> str:
    stream = io.StringIO()
    ConsoleChannel(style, stream).deliver(message)
    return stream.getvalue()


def test_simple_console_lines_are_for_eyes() -> None:
    assert line("simple", owed()) == "12:00:05 WARNING   DRAWDOWN_WARNING: drawdown is 12 %\n"
    assert "DRAWDOWN_WARNING resolved:" in line("simple", owed(kind=Kind.RESOLVED))


def test_structured_console_lines_are_for_grep() -> None:
    found = line("structured", owed(text='say "no"\nnow'))
    assert found.count("\n") == 1
    assert 'text="say \\"no\\"\\nnow"' in found
    assert " risk_id=drawdown/main " in found
    assert "audit_head=3:abcdef message_id=m7" in found


def test_json_console_lines_are_for_programs() -> None:
    found = json.loads(line("json", owed(text="two\nlines")))
    assert found["message"]["text"] == "two\nlines"
    assert (found["id"], found["head"]) == ("m7", "3:abcdef")


@pytest.mark.parametrize("style", ["simple", "structured", "json"])
def test_a_console_message_is_one_line_whatever_it_says(style: str) -> None:
    assert line(style, owed(text="a\nb\r\nc")).count("\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_console_writes_what_its_terminal_cannot_show(encoding: str) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    ConsoleChannel("simple", terminal).deliver(owed(text="5 \u20ac and \ud800"))
    terminal.seek(0)
    assert "\\ud800" in terminal.read()


STEERING = "\x1b[2J\x9b31m\x07\x7f \u202eNIAGA\u2066 \u200f\u061c"


def steers(text: str) -> bool:
    """Whether a terminal or an editor would do anything but show it."""
    directed = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "R", "AL"}
    return any(
        unicodedata.category(character) == "Cc" or unicodedata.bidirectional(character) in directed
        for character in text.rstrip("\n")
    )


@pytest.mark.parametrize("style", ["simple", "structured", "json"])
def test_nothing_from_outside_steers_the_terminal(style: str) -> None:
    assert steers(STEERING)
    message = owed(text=f"loss {STEERING} of 5 %")
    message = replace(message, message=replace(message.message, risk_id=STEERING, title=STEERING))
    found = line(style, message)
    assert not steers(found)
    assert "\\u202e" in found
    if style == "json":
        assert json.loads(found)["message"]["title"] == STEERING


class Calendar:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


Make = Callable[..., FileChannel]


@pytest.fixture
def make(tmp_path: Path, calendar: Calendar) -> Make:
    def made(style: str = "jsonl", days: int = 3) -> FileChannel:
        return FileChannel(tmp_path, style, days, clock=calendar)

    return made


def test_the_file_channel_starts_a_file_with_each_utc_day(
    tmp_path: Path, make: Make, calendar: Calendar
) -> None:
    channel = make()
    channel.deliver(owed(1))
    calendar.now = datetime(2026, 3, 2, 1, tzinfo=UTC).astimezone()
    channel.deliver(owed(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "alerts-2026-03-01.jsonl",
        "alerts-2026-03-02.jsonl",
    ]


def test_files_older_than_the_retention_are_removed_and_others_left(
    tmp_path: Path, make: Make, calendar: Calendar
) -> None:
    names = ["alerts-2026-02-25.jsonl", "alerts-2026-02-26.csv", "notes-2020-01-01.jsonl"]
    for name in names:
        (tmp_path / name).write_text("old\n")
    channel = make(days=3)
    channel.deliver(owed(1))
    assert {path.name for path in tmp_path.iterdir()} == {*names[1:], "alerts-2026-03-01.jsonl"}
    calendar.now += timedelta(days=1)
    channel.deliver(owed(2))
    assert not (tmp_path / names[1]).exists()


def test_a_line_of_the_file_holds_the_message_and_the_chains_head(
    tmp_path: Path, make: Make
) -> None:
    make().deliver(owed(9))
    record = json.loads((tmp_path / "alerts-2026-03-01.jsonl").read_text())
    assert (record["message_id"], record["severity"]) == ("m9", "warning")
    assert (record["audit_seq"], record["audit_head"]) == (3, "3:abcdef")


def test_csv_has_one_heading_and_runs_nothing_in_a_spreadsheet(tmp_path: Path, make: Make) -> None:
    channel = make("csv")
    channel.deliver(owed(1, text='=HYPERLINK("x"), and\nmore'))
    make("csv").deliver(owed(2))
    with (tmp_path / "alerts-2026-03-01.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["message_id"] for row in rows] == ["m1", "m2"]
    assert rows[0]["text"] == '\'=HYPERLINK("x"), and more'


@pytest.mark.parametrize("style", ["jsonl", "csv"])
def test_nothing_from_outside_steers_whoever_reads_the_file(
    tmp_path: Path, make: Make, style: str
) -> None:
    make(style).deliver(owed(text=f"loss {STEERING} of 5 %"))
    (path,) = tmp_path.iterdir()
    text = path.read_text(encoding="utf-8")
    assert not any(steers(line) for line in text.split("\n"))
    if style == "jsonl":
        assert json.loads(text)["text"] == f"loss {STEERING} of 5 %"


@pytest.mark.parametrize("style", ["jsonl", "csv"])
def test_a_message_written_before_a_crash_is_not_written_again(
    tmp_path: Path, make: Make, style: str, calendar: Calendar
) -> None:
    make(style).deliver(owed(1))
    calendar.now += timedelta(hours=20)  # the day may have turned in between
    after = make(style)
    after.deliver(owed(1))
    after.deliver(owed(2))
    text = "".join(path.read_text() for path in sorted(tmp_path.iterdir()))
    assert text.count("drawdown is 12 %") == 2


@pytest.mark.parametrize("style", ["jsonl", "csv"])
def test_a_line_torn_by_a_crash_is_replaced_by_a_whole_one(
    tmp_path: Path, make: Make, style: str
) -> None:
    make(style).deliver(owed(1))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    make(style).deliver(owed(1))
    assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_an_error_and_the_next_try_works(
    tmp_path: Path, calendar: Calendar
) -> None:
    obstacle = tmp_path / "logs"
    obstacle.write_text("a file where the folder should be")
    channel = FileChannel(obstacle, "jsonl", 3, clock=calendar)
    with pytest.raises(OSError, match="logs"):
        channel.deliver(owed())
    obstacle.unlink()
    channel.deliver(owed())
    assert (obstacle / "alerts-2026-03-01.jsonl").read_text().count("\n") == 1


def test_a_check_of_the_file_channel_leaves_nothing_and_finds_what_cannot_be_written(
    tmp_path: Path, make: Make, calendar: Calendar
) -> None:
    make().check()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="logs"):
        FileChannel(tmp_path / "logs", "jsonl", 3, clock=calendar).check()


def test_a_check_of_the_console_writes_nothing() -> None:
    stream = io.StringIO()
    ConsoleChannel("simple", stream).check()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("severity", "told"),
    [
        (Severity.DEBUG, {"console"}),
        (Severity.INFO, {"console", "file"}),
        (Severity.WARNING, {"console", "file", "slack"}),
        (Severity.CRITICAL, {"console", "file", "slack", "email", "telegram"}),
        (Severity.EMERGENCY, {"console", "file", "slack", "email", "telegram"}),
    ],
)
def test_enabled_channels_come_with_their_least_severity(
    severity: Severity, told: set[str]
) -> None:
    profile = default_policy_path().parent / "profiles" / "testnet.toml"
    environ = {
        "SMTP_HOST": "127.0.0.1",
        "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T/B/x",
        "TELEGRAM_BOT_TOKEN": "1:x",
        "TELEGRAM_CHAT_ID": "1",
    }
    enabled = enabled_channels(load_policy(profile, environ))
    assert enabled.keys() <= CHANNELS.keys()
    outbox = Outbox(enabled)
    message = Message("drawdown/main", Kind.FIRING, severity, "DRAWDOWN_WARNING", "x", NOON, 1)
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in SCHEMA:
            connection.execute(statement)
        outbox.owe(connection, message)
        owing = connection.execute("SELECT channel FROM message").fetchall()
    assert {channel for (channel,) in owing} == told


def test_a_channel_that_is_off_is_owed_nothing_and_each_may_take_less() -> None:
    found = enabled_channels(policy("[alerting.channels.file]\nmin_severity = 'CRITICAL'"))
    assert found == {"console": Severity.DEBUG, "file": Severity.CRITICAL}
    assert enabled_channels(policy("[alerting.channels.console]\nenabled = false")).keys() == {
        "file"
    }


def test_every_channel_that_a_policy_can_enable_can_be_delivered_to() -> None:
    assert set(Channels.names()) == set(CHANNELS)

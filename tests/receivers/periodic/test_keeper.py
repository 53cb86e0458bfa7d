"""Reports that the service writes by itself: on time, once, on record, and to people."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from told_chain import Desk

from risk_policy import Policy, parse_policy
from risk_policy.contracts.audit import EventType
from risk_receivers.audit.query import StoredEvent, events
from risk_receivers.channels import enabled_channels
from risk_receivers.channels.attached import attached
from risk_receivers.channels.outbox import Outbox, letter, opened, owed
from risk_receivers.periodic.keeper import ReportKeeper
from risk_receivers.periodic.order import Answer, File
from risk_receivers.periodic.period import Period
from risk_receivers.telemetry import Telemetry

POLICY = """
[alerting.endpoints]
prometheus = "127.0.0.1:9"
[alerting.channels.email]
enabled = true
smtp_host = "127.0.0.1"
use_tls = false
to_addresses = ["desk@example.com"]
[alerting.reports]
enabled = true
kinds = ["daily"]
formats = ["markdown"]
{more}
"""
MONDAY = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SOON = MONDAY + timedelta(hours=1)


class House:
    """A store, and a keeper of reports on it whose clock is set by hand."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder = folder
        self.policy: Policy = parse_policy(POLICY.format(more=more).encode())
        self.desk = Desk(folder / "audit.db", self.policy)
        self.now = MONDAY
        self.outbox = Outbox(enabled_channels(self.policy))
        self.woken = 0
        self.telemetry = Telemetry()
        self.keeper = self.open()

    def open(self) -> ReportKeeper:
        return ReportKeeper(
            self.policy,
            self.folder,
            self.desk.database,
            self.desk._writer,
            self.outbox,
            self.telemetry,
            wake_couriers=self._wake,
            clock=lambda: self.now,
        )

    def _wake(self) -> None:
        self.woken += 1

    def look(self, at: datetime) -> float | None:
        self.now = self.desk._now = at
        return self.keeper.round()

    def written(self) -> list[StoredEvent]:
        found = events(self.desk.database, 0, 999)
        return [one for one in found if one.event_type == "REPORT_WRITTEN"]

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "reports").glob("*"))

    def messages(self, channel: str) -> list[Any]:
        def read(transaction: Any) -> list[Any]:
            connection = transaction.connection
            found = [letter(connection, one.number) for one in owed(connection, channel)]
            return [opened(one)[0] for one in found if one]

        return self.desk.at(self.now, read)


Make = Callable[..., House]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Make]:
    made: list[House] = []

    def make(more: str = "") -> House:
        made.append(House(tmp_path, more))
        return made[-1]

    yield make
    for one in made:
        one.desk.stop()


def test_nothing_was_missed_before_the_first_start(house: Make) -> None:
    at_home = house()
    pause = at_home.look(MONDAY + timedelta(hours=3))
    assert at_home.written() == []
    assert pause is not None
    assert pause <= 60


def test_a_report_is_written_when_it_is_due_and_people_are_told(house: Make) -> None:
    at_home = house()
    at_home.look(MONDAY + timedelta(hours=3))
    at_home.desk.event(MONDAY + timedelta(hours=4), EventType.ACCESS_REFUSED, "refused")
    at_home.look(MONDAY + DAY)
    assert at_home.written() == [], "what was recorded right before may still be on its way"
    at_home.look(MONDAY + DAY + timedelta(seconds=6))
    (event,) = at_home.written()
    assert at_home.files() == ["daily-20260302-20260303.md"]
    content = (at_home.folder / "reports" / at_home.files()[0]).read_bytes()
    assert b"**Period:** 2026-03-02 06:00 to 2026-03-03 06:00 (UTC)" in content
    assert b"(1 refusal on record; rule: access refused)" in content
    assert b"Prometheus at http://127.0.0.1:9 does not answer" in content
    assert event.payload is not None
    details: Any = event.payload.details
    (file,) = details["files"]
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert details["chain_is_intact"] is True
    (message,) = at_home.messages("file")
    assert message.text.splitlines()[0].startswith("Daily Operations Report, 2026-03-02 06:00")
    assert str(at_home.folder / "reports" / at_home.files()[0]) in message.text
    assert at_home.messages("email") == [], "its min_severity lets no INFO through"
    assert at_home.woken == 1


def test_what_was_missed_is_made_up_once_in_one_report_and_never_twice(house: Make) -> None:
    at_home = house()
    at_home.look(SOON)
    later = MONDAY + 5 * DAY + timedelta(hours=2)
    at_home.keeper = at_home.open()  # it was down
    at_home.look(later)
    at_home.look(later + timedelta(minutes=1))
    at_home.keeper = at_home.open()
    at_home.look(later + timedelta(minutes=2))
    (event,) = at_home.written()
    assert event.payload is not None
    start, end = event.payload.details["start"], event.payload.details["end"]
    assert (start, end) == (
        MONDAY.isoformat(timespec="microseconds"),
        (MONDAY + 5 * DAY).isoformat(timespec="microseconds"),
    )
    assert len(at_home.messages("file")) == 1


def test_of_two_services_on_one_store_one_tells(house: Make) -> None:
    at_home = house()
    at_home.look(SOON)
    answer = Answer("Daily", ("Daily: 1 alert",), (File("d.md", 1, "0"),), (), "1:0", True)
    period = Period(MONDAY, MONDAY + DAY)
    for expected in (2, 0):  # console and file
        record = partial(at_home.keeper._record, "daily", period, answer)
        assert at_home.desk.at(MONDAY + DAY, record) == expected
    assert len(at_home.written()) == 1


def test_channels_that_are_named_are_told_whatever_they_let_through(house: Make) -> None:
    at_home = house('channels = ["email"]')
    at_home.look(SOON)
    at_home.look(MONDAY + DAY + timedelta(minutes=1))
    (message,) = at_home.messages("email")
    assert at_home.messages("file") == []
    file = attached(at_home.folder, message.attachment)
    assert file is not None
    assert (file.name, file.media_type) == ("daily-20260302-20260303.md", "text/markdown")


def test_a_report_that_cannot_be_written_is_tried_again(
    house: Make, caplog: pytest.LogCaptureFixture
) -> None:
    at_home = house()
    at_home.look(SOON)
    (at_home.folder / "reports").write_text("in the way")
    assert at_home.look(MONDAY + DAY + timedelta(minutes=1)) == 60
    assert "the daily report is not written yet" in caplog.text
    assert at_home.written() == []
    (at_home.folder / "reports").unlink()
    at_home.look(MONDAY + DAY + timedelta(minutes=2))
    assert len(at_home.written()) == 1


def test_a_report_that_cannot_be_written_for_long_is_told_to_prometheus(house: Make) -> None:
    at_home = house()
    at_home.look(SOON)
    database, elsewhere = at_home.desk.database, at_home.folder / "elsewhere.db"
    assert isinstance(database, Path)
    database.rename(elsewhere)
    said = []
    for minute in range(1, 5):
        at_home.look(MONDAY + DAY + timedelta(minutes=minute))
        said.append(b"risk_reports_failing 1.0" in at_home.telemetry.exposition())
    assert said == [False, False, True, True]
    elsewhere.rename(database)
    at_home.look(SOON)
    assert b"risk_reports_failing 0.0" in at_home.telemetry.exposition()


def test_reports_go_when_the_policy_does_not_want_them_any_more(house: Make) -> None:
    at_home = house("keep_days = 10")
    at_home.look(SOON)
    (at_home.folder / "reports").mkdir()
    for name in ("daily-20260101-20260102.html", "daily-20260228-20260301.html", "mine.html"):
        (at_home.folder / "reports" / name).write_text("")
    at_home.look(MONDAY + DAY + timedelta(minutes=1))
    assert at_home.files() == [
        "daily-20260228-20260301.html",
        "daily-20260302-20260303.md",
        "mine.html",
    ]


def test_reports_that_are_switched_off_are_not_written(house: Make) -> None:
    at_home = house()
    off = at_home.policy.alerting.reports.model_copy(update={"enabled": False})
    at_home.keeper._settings = off
    assert at_home.look(SOON) is None
    assert at_home.look(MONDAY + DAY + timedelta(minutes=1)) is None
    assert at_home.written() == []


def test_without_what_makes_a_pdf_people_get_a_page_and_are_told_why(
    house: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home = house('channels = ["email"]')
    pdf_alone = at_home.policy.alerting.reports.model_copy(update={"formats": ("pdf",)})
    alerting = at_home.policy.alerting.model_copy(update={"reports": pdf_alone})
    at_home.policy = at_home.policy.model_copy(update={"alerting": alerting})
    at_home.keeper = at_home.open()
    broken = at_home.folder / "broken"
    broken.mkdir()
    (broken / "weasyprint.py").write_text("raise OSError('cannot load library libpango-1.0-0')\n")
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{broken}{os.pathsep}{before}")
    at_home.look(SOON)
    at_home.look(MONDAY + DAY + timedelta(minutes=1))
    assert at_home.files() == ["daily-20260302-20260303.html"]
    (message,) = at_home.messages("email")
    assert "cannot load library libpango-1.0-0" in message.text
    assert message.attachment.endswith(".html")


def test_what_lies_elsewhere_or_is_too_large_does_not_go_with_a_mail(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "data" / "large.html").write_bytes(b"x" * 8 * 2**20)
    for path in ("../secret", "large.html", "missing.html", ""):
        assert attached(tmp_path / "data", path) is None

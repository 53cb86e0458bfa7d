"""Reports: durable first, sent until taken, under the same id, never in trading's way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from risk_policy.clock import utc_now
from risk_policy.contracts.receivers import ReceiversUrl
from risk_policy.contracts.reports import FlatConfirmed, Report, ReportBatch
from risk_runtime.errors import SpoolError
from risk_runtime.reporting.reporter import Backoff, Reporter
from risk_runtime.reporting.spool import PROGRESS_FILE, SPOOL_FILE, ReportSpool

TOKEN = "a-token-that-must-not-leak"
QUICK = Backoff(first_seconds=0.01, longest_seconds=0.05)


class Receivers:
    """A loopback receivers service that answers what it is told, then 200."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.body = b""
        self.batches: list[ReportBatch] = []
        self.taken: list[str] = []
        self.tokens: set[str | None] = set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.tokens.add(self.headers["Authorization"])
                status = service.answers.pop(0) if service.answers else 200
                if self.path != "/api/v1/runtime/reports":
                    status = 404
                batch = ReportBatch.model_validate_json(body)
                service.batches.append(batch)
                if status == 200:
                    service.taken += [report.id for report in batch.reports]
                self.send_response(status)
                self.send_header("Content-Length", str(len(service.body)))
                self.end_headers()
                self.wfile.write(service.body)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    service = Receivers()
    yield service
    service.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Reporter]]:
    started: list[Reporter] = []

    def begin(url: str) -> Reporter:
        reporter = Reporter(ReportSpool(tmp_path), ReceiversUrl.parse(url), TOKEN, backoff=QUICK)
        reporter.start()
        started.append(reporter)
        return reporter

    yield begin
    for reporter in started:
        reporter.stop()


def reports(count: int) -> list[Report]:
    return [FlatConfirmed(account="main", at=utc_now(), kill_id=f"kill-{n}") for n in range(count)]


def test_reports_arrive_in_order_with_the_token(
    receivers: Receivers, start: Callable[[str], Reporter]
) -> None:
    reporter, given = start(receivers.url), reports(3)
    reporter.submit(given)
    assert reporter.wait_until_sent(10)
    assert receivers.taken == [report.id for report in given]
    assert receivers.tokens == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("status", [503, 401, 429, 204])
def test_anything_but_200_is_tried_again_with_the_same_reports(
    receivers: Receivers, start: Callable[[str], Reporter], status: int
) -> None:
    receivers.answers = [status] * 3
    reporter, given = start(receivers.url), reports(2)
    reporter.submit(given)
    assert reporter.wait_until_sent(10)
    assert len(receivers.batches) == 4
    assert receivers.taken == [report.id for report in given]


def test_an_outage_is_survived_and_nothing_is_lost_across_a_restart(
    tmp_path: Path, receivers: Receivers, start: Callable[[str], Reporter]
) -> None:
    given = reports(5)
    down = start("http://127.0.0.1:1")
    down.submit(given[:3])
    assert not down.wait_until_sent(0.05)
    down.stop()
    reporter = start(receivers.url)
    reporter.submit(given[3:])
    assert reporter.wait_until_sent(10)
    assert receivers.taken == [report.id for report in given]
    assert TOKEN.encode() not in (tmp_path / SPOOL_FILE).read_bytes()


def test_what_was_sent_is_not_sent_again_after_a_restart(
    receivers: Receivers, start: Callable[[str], Reporter]
) -> None:
    reporter, given = start(receivers.url), reports(2)
    reporter.submit(given[:1])
    assert reporter.wait_until_sent(10)
    reporter.stop()
    again = start(receivers.url)
    again.submit(given[1:])
    assert again.wait_until_sent(10)
    assert receivers.taken == [report.id for report in given]


def test_no_request_carries_more_than_the_contract_allows(
    receivers: Receivers, start: Callable[[str], Reporter]
) -> None:
    reporter = start(receivers.url)
    reporter.submit(reports(1201))
    assert reporter.wait_until_sent(10)
    assert [len(batch.reports) for batch in receivers.batches] == [500, 500, 201]


def test_reports_are_on_disk_when_submit_returns_although_nobody_takes_them(
    tmp_path: Path,
) -> None:
    reporter = Reporter(ReportSpool(tmp_path), ReceiversUrl.parse("http://127.0.0.1:1"), TOKEN)
    reporter.submit(reports(2))
    lines = (tmp_path / SPOOL_FILE).read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["flat_confirmed"] * 2


def test_a_disk_that_takes_nothing_neither_raises_nor_loses_reports(
    tmp_path: Path,
    receivers: Receivers,
    start: Callable[[str], Reporter],
    caplog: pytest.LogCaptureFixture,
) -> None:
    reporter, given = start(receivers.url), reports(2)
    (tmp_path / SPOOL_FILE).unlink()
    (tmp_path / SPOOL_FILE).mkdir()
    reporter.submit(given)
    assert reporter.wait_until_sent(10)
    assert receivers.taken == [report.id for report in given]
    assert "kept in memory only" in caplog.text


def test_the_token_is_in_no_log_line(
    receivers: Receivers, start: Callable[[str], Reporter], caplog: pytest.LogCaptureFixture
) -> None:
    receivers.answers = [401]
    reporter = start(receivers.url)
    reporter.submit(reports(1))
    assert reporter.wait_until_sent(10)
    assert "receivers said 401" in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("status", [200, 400, 409])
def test_reports_that_the_receivers_reject_are_named_and_do_not_block_the_rest(
    receivers: Receivers,
    start: Callable[[str], Reporter],
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    receivers.body = b'{"recorded": 0, "rejected": [{"id": "x", "error": "unknown kill"}]}'
    receivers.answers = [status]
    reporter = start(receivers.url)
    reporter.submit(reports(1))
    assert reporter.wait_until_sent(10)
    assert "unknown kill" in caplog.text
    assert len(receivers.batches) == 1


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(first_seconds=0.1, longest_seconds=0.5)
    assert [backoff.after(n) for n in (1, 2, 3, 4, 1000)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_a_line_torn_by_a_crash_is_cut_off_and_the_whole_ones_remain(tmp_path: Path) -> None:
    ReportSpool(tmp_path).append([b'{"id":1}', b'{"id":2}'])
    whole = (tmp_path / SPOOL_FILE).read_bytes()
    for torn in range(1, len(b'{"id":3}')):
        (tmp_path / SPOOL_FILE).write_bytes(whole + b'{"id":3}'[:torn])
        spool = ReportSpool(tmp_path)
        spool.append([b'{"id":4}'])
        batch = spool.front(10)
        assert batch is not None
        assert batch.lines == (b'{"id":1}', b'{"id":2}', b'{"id":4}')


def test_a_damaged_line_is_left_out_and_does_not_hold_back_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / SPOOL_FILE).write_bytes(b'{"id":1}\n\x00\xff\n{"id":2}\n')
    batch = ReportSpool(tmp_path).front(10)
    assert batch is not None
    assert batch.lines == (b'{"id":1}', b'{"id":2}')
    assert "damaged" in caplog.text


def test_a_spool_that_was_sent_whole_starts_over_empty(tmp_path: Path) -> None:
    spool = ReportSpool(tmp_path)
    spool.append([b'{"id":1}'])
    batch = spool.front(10)
    assert batch is not None
    spool.mark_sent(batch.end)
    assert not spool.pending
    again = ReportSpool(tmp_path)
    assert (tmp_path / SPOOL_FILE).read_bytes() == b""
    again.append([b'{"id":2}'])
    assert ReportSpool(tmp_path).pending


@pytest.mark.parametrize("progress", [b"", b"x", b"\xff", b"-1"])
def test_a_damaged_progress_sends_again_rather_than_leaving_out(
    tmp_path: Path, progress: bytes
) -> None:
    spool = ReportSpool(tmp_path)
    spool.append([b'{"id":1}'])
    spool.mark_sent(9)
    (tmp_path / PROGRESS_FILE).write_bytes(progress)
    assert ReportSpool(tmp_path).pending


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="spool cannot be opened"):
        ReportSpool(tmp_path / "file")

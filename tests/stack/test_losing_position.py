"""A position loses 5 %: people are warned, and who does not answer is told louder.

The whole way on real parts: a snapshot over HTTP, exporter, Prometheus, Alertmanager, receivers,
and at the end of it the console, the file, a mail server, Slack and Telegram. Everything runs on
one policy, in which minutes of escalation are seconds. Two positions lose the same in the same
snapshot, so their clocks start together; a person takes on one of them, in Alertmanager's own tool.
"""

from __future__ import annotations

import json
import shlex
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
import telegram_stand_in
from loopback_http import Reply
from mail_servers import Postbox, mail_server
from slack_stand_in import SlackStandIn
from stack_under_test import Running, edited_policy, eventually, mails_to
from telegram_stand_in import TelegramStandIn
from typer.testing import CliRunner

import risk_runtime
from risk_policy.clock import utc_now
from riskwarden.app import application
from riskwarden.stack.processes import Processes
from riskwarden.stack.stack import find_binaries

pytestmark = pytest.mark.stack

UNANSWERED, ANSWERED = "AAPL", "GOOG"
PAID, CALM, LOSING = 100.0, 99.0, 95.0
ESCALATES_AFTER = timedelta(seconds=12)
_SOON = 30.0
_CLOSES = Path(risk_runtime.__file__).parent / "data" / "prices_2006_2009.csv"
_RATE_LIMIT = Reply(429, "rate_limited", {"Retry-After": "1"})


class Book:
    """A trading runtime that reports what it holds, again and again."""

    def __init__(self, url: str, token: str) -> None:
        self.mark = CALM
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False
        )
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def report(self) -> None:
        positions = [
            {"symbol": symbol, "quantity": 100, "mark": self.mark, "average_price": PAID}
            for symbol in (UNANSWERED, ANSWERED)
        ]
        snapshot = {
            "account": "main",
            "equity": 1_000_000 - 200 * (PAID - self.mark),
            "cash": 1_000_000 - 200 * PAID,
            "positions": positions,
            "taken_at": utc_now().isoformat(),
        }
        answer = self._client.post("/api/v1/snapshot", json=snapshot)
        assert answer.status_code == 200, answer.text

    def _run(self) -> None:
        while not self._ending.wait(0.5):
            self.report()

    def __enter__(self) -> Book:
        self.report()
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._ending.set()
        self._thread.join()
        self._client.close()


@dataclass
class Desk:
    """The people, what they hear, and what they can look at."""

    running: Running
    postbox: Postbox
    slack: SlackStandIn
    telegram: TelegramStandIn
    client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False))

    def risk_id(self, symbol: str) -> str:
        return f"position_loss/main/{symbol}"

    def ask(self, path: str, **parameters: str | int) -> Any:
        """What the receivers answer an operator or an auditor."""
        token = self.running.layout.token("operator_token")
        answer = self.client.get(
            f"{self.running.stack.url('receivers')}/api/v1/{path}",
            params=parameters,
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def incident(self, symbol: str) -> dict[str, Any]:
        """The only one about a position, as an operator sees it."""
        found = self.ask("incidents")["incidents"]
        (incident,) = [one for one in found if one["risk_id"] == self.risk_id(symbol)]
        return dict(incident)

    def recorded(self, symbol: str) -> dict[str, dict[str, Any]]:
        """Records of the audit chain about a position, by type, of which there is one each."""
        of_incident = [
            event
            for event in self.ask("audit", limit=1000)["events"]
            if event["payload"]["alert_id"] == f"{self.risk_id(symbol)}:warning:1"
        ]
        found = {event["header"]["event_type"]: event for event in of_incident}
        assert len(found) == len(of_incident), [one["header"]["event_type"] for one in of_incident]
        return found

    def on_console(self, symbol: str) -> list[tuple[str, str]]:
        """(kind, severity) of what was printed about a position."""
        lines = self.running.processes.child("receivers").log.read_text("utf-8").splitlines()
        told = [
            dict(pair.split("=", 1) for pair in shlex.split(line))
            for line in lines
            if line.startswith("at=")
        ]
        return self._of(symbol, told)

    def in_file(self, symbol: str) -> list[tuple[str, str]]:
        """The same of what was written into the files."""
        folder = self.running.layout.root / self.running.policy.alerting.channels.file.path
        lines = [
            line
            for path in sorted(folder.glob("*.jsonl"))
            for line in path.read_text().splitlines()
        ]
        return self._of(symbol, [json.loads(line) for line in lines])

    def on_slack(self, symbol: str) -> list[dict[str, Any]]:
        """What was posted about a position."""
        return [one for one in list(self.slack.posted) if self.risk_id(symbol) in json.dumps(one)]

    def mailed(self) -> list[EmailMessage]:
        return [mail for _, mail in self.postbox.mails]

    def owed(self, symbol: str, kind: str) -> set[str]:
        """Which channels were to tell of something; decided at once for all of them."""
        with closing(sqlite3.connect(f"file:{self.running.database}?mode=ro", uri=True)) as store:
            rows = store.execute(
                "SELECT channel FROM message WHERE subject LIKE ? AND kind LIKE ?",
                (f"{self.risk_id(symbol)}:%", f"{kind}%"),
            )
            return {channel for (channel,) in rows}

    def acknowledge(self, symbol: str) -> None:
        """A silence, made by hand with Alertmanager's own tool."""
        url = self.running.stack.url("alertmanager")
        command = ("amtool", f"--alertmanager.url={url}", "silence", "add", "--author=olga")
        matchers = (f"risk_id={self.risk_id(symbol)}", "tier=warning")
        subprocess.run((*command, "--comment=on it", *matchers), check=True, capture_output=True)

    def _of(self, symbol: str, told: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return [
            (one["kind"], one["severity"])
            for one in told
            if one.get("risk_id") == self.risk_id(symbol)
        ]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Both positions lose; people were warned of both, and somebody has taken on one of them."""
    folder = tmp_path_factory.mktemp("losing")
    with ExitStack() as stack:
        postbox = stack.enter_context(mail_server())
        slack = stack.enter_context(SlackStandIn())
        telegram = stack.enter_context(TelegramStandIn())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SLACK_WEBHOOK_URL", slack.webhook_url)
        patch.setenv("TELEGRAM_BOT_TOKEN", telegram_stand_in.TOKEN)
        patch.setenv("TELEGRAM_CHAT_ID", telegram_stand_in.CHAT)
        policy = edited_policy(folder, *_edits(postbox, telegram))
        (folder / "log").mkdir()
        processes = stack.enter_context(Processes(folder / "log"))
        desk = Desk(Running(folder, processes, policy), postbox, slack, telegram)
        stack.callback(desk.client.close)
        book = stack.enter_context(_started(desk.running))
        _see_calm(desk)
        book.mark = LOSING
        eventually(lambda: len(slack.posted) == 2, _SOON, "people are warned of both")
        # From here on both services are busy when they are asked for the first time.
        slack.next.append(_RATE_LIMIT)
        telegram.instead = _busy_once(telegram)
        desk.acknowledge(ANSWERED)
        yield desk


def _edits(postbox: Postbox, telegram: TelegramStandIn) -> Iterator[tuple[str, str]]:
    yield from mails_to(postbox.port)
    for name in ("slack", "telegram"):
        head = f"[alerting.channels.{name}]\nenabled = "
        yield f"{head}false", f"{head}true"
    yield 'api_url = "https://api.telegram.org"', f'api_url = "{telegram.url}"'
    minutes = ESCALATES_AFTER / timedelta(minutes=1)
    yield "warning_to_critical_minutes = 5", f"warning_to_critical_minutes = {minutes:g}"


def _started(running: Running) -> Book:
    """Start every part, the exporter as a sidecar."""
    stack, binaries = running.stack, find_binaries()
    stack._configure()
    alertmanager = stack._alertmanager(binaries)
    exporter = stack._python(
        "exporter",
        "risk_exporter",
        *stack._common(running.layout.runtime),
        *("--listen", stack.endpoints.exporter, "--closes", str(_CLOSES)),
    )
    stack.start_receivers()
    stack._await(alertmanager, "alertmanager", "/-/ready")
    stack._await(exporter, "exporter", "/healthz")
    return Book(stack.url("exporter"), running.layout.token("snapshot_token"))


def _see_calm(desk: Desk) -> None:
    """Start Prometheus and wait until it has seen both positions, without a word to anybody."""
    stack = desk.running.stack
    stack.start_prometheus(find_binaries())

    def seen() -> bool:
        query = {"query": "count(risk_position_return_ratio)"}
        answer = desk.client.get(f"{stack.url('prometheus')}/api/v1/query", params=query).json()
        return [one["value"][1] for one in answer["data"]["result"]] == ["2"]

    eventually(seen, _SOON, "Prometheus sees the positions")
    eventually(lambda: desk.ask("gate")["open"], _SOON, "the receivers hear Prometheus")
    assert not desk.slack.posted


def _busy_once(telegram: TelegramStandIn) -> Any:
    def answer(received: Any) -> Reply:
        if not received.path.endswith("/sendMessage"):
            return telegram.answer(received)
        telegram.instead = None
        return telegram_stand_in.failure(429, "Too Many Requests: retry after 1", retry_after=1)

    return answer


def test_a_position_that_loses_five_percent_is_a_warning_to_whom_warnings_go_and_on_record(
    desk: Desk,
) -> None:
    name, warning = desk.risk_id(UNANSWERED), ("firing", "warning")
    eventually(lambda: warning in desk.on_console(UNANSWERED), _SOON, "told on the console")
    eventually(lambda: warning in desk.in_file(UNANSWERED), _SOON, "told in the file")
    post = desk.on_slack(UNANSWERED)[0]
    assert post["text"] == f"[WARNING] POSITION_LOSS_WARNING {name}", "and nobody is mentioned"
    assert "-5%, against a limit of -5%" in json.dumps(post)
    # Mail and Telegram are enabled, and will be heard of when it gets worse.
    assert desk.owed(UNANSWERED, "firing") == {"console", "file", "slack"}
    assert not [one for one in desk.mailed() if "[WARNING]" in one["Subject"]]
    assert not [text for _, text in desk.telegram.sent if "[WARNING]" in text]

    incident = desk.incident(UNANSWERED)
    assert (incident["alertname"], incident["tier"]) == ("POSITION_LOSS_WARNING", "warning")
    records = desk.recorded(UNANSWERED)
    assert _seq(records["ALERT_CREATED"]) < _seq(records["ALERT_DISPATCHED"])
    record = records["ALERT_CREATED"]["payload"]
    assert (record["severity"], record["category"]) == ("warning", "position")
    assert record["message"].startswith(f"POSITION_LOSS_WARNING {name}: Open profit of AAPL")
    assert record["details"]["annotations"]["value"] == "-5%"
    assert record["details"]["policy_digest"] == desk.running.policy.digest

    verify = ["audit", "verify", "--data", str(desk.running.layout.root)]
    verified = CliRunner().invoke(application(verify), verify)
    assert verified.exit_code == 0, verified.output
    assert "intact" in verified.output


def test_a_warning_becomes_critical_and_is_mailed_unless_somebody_answers_it(desk: Desk) -> None:
    name, louder = desk.risk_id(UNANSWERED), ("escalated", "critical")
    eventually(desk.mailed, ESCALATES_AFTER.total_seconds() + _SOON, "mailed")
    eventually(lambda: len(desk.on_slack(UNANSWERED)) > 1, _SOON, "told on Slack")
    eventually(lambda: desk.telegram.sent, _SOON, "told on Telegram")
    eventually(lambda: louder in desk.on_console(UNANSWERED), _SOON, "told on the console")
    eventually(lambda: louder in desk.in_file(UNANSWERED), _SOON, "told in the file")

    subjects = [one["Subject"] for one in desk.mailed()]
    assert subjects == [f"[CRITICAL] POSITION_LOSS_WARNING {name}"]
    body = desk.mailed()[0].get_body(("plain",))
    assert body is not None
    assert "Nobody has acknowledged it for 12s" in " ".join(body.get_content().split())
    _, post = desk.on_slack(UNANSWERED)
    assert post["text"] == f"<!channel> [CRITICAL] POSITION_LOSS_WARNING {name}"
    ((_, text),) = desk.telegram.sent
    assert name in text
    # Both were busy at first, were left alone for as long as they asked, and were told then.
    assert len(desk.slack.received) == len(desk.slack.posted) + 1
    assert [one.path.endswith("/sendMessage") for one in desk.telegram.received].count(True) == 2
    metrics = desk.client.get(f"{desk.running.stack.url('receivers')}/metrics").text.splitlines()
    failed = [
        float(line.split()[-1])
        for line in metrics
        if line.startswith("risk_messages_total") and 'outcome="failed"' in line
    ]
    assert failed == [0, 0, 0, 0, 0], "it would be an alert of its own, and told by mail"

    assert desk.incident(UNANSWERED)["severity"] == "critical"
    records = desk.recorded(UNANSWERED)
    escalated = records["ALERT_ESCALATED"]["payload"]
    assert (escalated["severity"], escalated["actor_type"]) == ("critical", "SYSTEM")
    assert "now counts as critical (time)" in escalated["message"]
    assert _at(records["ALERT_ESCALATED"]) - _at(records["ALERT_CREATED"]) > ESCALATES_AFTER / 2

    # The other one has waited just as long, and both are judged in the same round by one rule.
    answered = desk.incident(ANSWERED)
    assert (answered["severity"], answered["state"]) == ("warning", "ACKNOWLEDGED")
    assert answered["acknowledged"]["author"] == "olga"
    records = desk.recorded(ANSWERED)
    assert records["ALERT_ACKNOWLEDGED"]["payload"]["actor_id"] == "olga"
    assert "ALERT_ESCALATED" not in records
    assert desk.owed(ANSWERED, "") == {"console", "file", "slack"}
    assert len(desk.on_slack(ANSWERED)) == 1
    assert desk.on_console(ANSWERED) == desk.in_file(ANSWERED) == [("firing", "warning")]


def _seq(event: dict[str, Any]) -> int:
    return int(event["header"]["seq"])


def _at(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["header"]["recorded_at"])

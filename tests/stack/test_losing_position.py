"""A position loses 5 %: people are warned, and who does not answer is told louder.

The whole way on real parts: a snapshot over HTTP, exporter, Prometheus, Alertmanager, receivers,
and at the end of it the console, the file, a mail server, Slack and Telegram. Everything runs on
one policy, in which minutes of escalation are seconds. Two positions lose the same in the same
snapshot, so their clocks start together; a person takes on one of them, in Alertmanager's own tool.
Then Slack is gone while a third one loses, and at last a hundred lose at once.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import telegram_stand_in
from grafana_queries import EMBEDDED_ALONE, queries, replaced, unanswered
from loopback_http import Reply
from losing_desk import ANSWERED, PAID, UNANSWERED, Book, Desk
from mail_servers import Postbox, mail_server
from slack_stand_in import SlackStandIn
from stack_under_test import Running, edited_policy, eventually, mails_to
from telegram_stand_in import TelegramStandIn
from typer.testing import CliRunner

import risk_runtime
from riskwarden.app import application
from riskwarden.stack.processes import Processes
from riskwarden.stack.stack import find_binaries

pytestmark = pytest.mark.stack

CALM, LOSING, LOST = 99.0, 95.0, 85.0
ESCALATES_AFTER = timedelta(seconds=12)
_SOON = 30.0
_DEADLINE_SECONDS = 5
_WINDOW_SECONDS = 10
_CROWD = 100
_CLOSES = Path(risk_runtime.__file__).parent / "data" / "prices_2006_2009.csv"
_RATE_LIMIT = Reply(429, "rate_limited", {"Retry-After": "1"})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Both positions lose; people were warned of both, and somebody has taken on one of them."""
    folder = tmp_path_factory.mktemp("losing")
    with ExitStack() as stack:
        postbox = stack.enter_context(mail_server())
        life_of_slack = stack.enter_context(ExitStack())
        slack = life_of_slack.enter_context(SlackStandIn())
        telegram = stack.enter_context(TelegramStandIn())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SLACK_WEBHOOK_URL", slack.webhook_url)
        patch.setenv("TELEGRAM_BOT_TOKEN", telegram_stand_in.TOKEN)
        patch.setenv("TELEGRAM_CHAT_ID", telegram_stand_in.CHAT)
        policy = edited_policy(folder, *_edits(postbox, telegram))
        (folder / "log").mkdir()
        processes = stack.enter_context(Processes(folder / "log"))
        running = Running(folder, processes, policy)
        desk = Desk(running, postbox, slack, telegram, life_of_slack)
        stack.callback(desk.client.close)
        desk.book = book = stack.enter_context(_started(desk.running))
        _see_calm(desk)
        book.mark = LOSING
        eventually(lambda: len(slack.posted) == 2, _SOON, "people are warned of both")
        # From here on both services are busy when they are asked for the first time.
        slack.next.append(_RATE_LIMIT)
        telegram.instead = _busy_once(telegram)
        desk.acknowledge(desk.risk_id(ANSWERED))
        yield desk


def _edits(postbox: Postbox, telegram: TelegramStandIn) -> Iterator[tuple[str, str]]:
    yield from mails_to(postbox.port)
    for name in ("slack", "telegram"):
        head = f"[alerting.channels.{name}]\nenabled = "
        yield f"{head}false", f"{head}true"
    yield 'api_url = "https://api.telegram.org"', f'api_url = "{telegram.url}"'
    minutes = ESCALATES_AFTER / timedelta(minutes=1)
    yield "warning_to_critical_minutes = 5", f"warning_to_critical_minutes = {minutes:g}"
    slack = 'webhook_url = "${SLACK_WEBHOOK_URL}"'
    yield slack, f'{slack}\nfallback = ["email"]\ndeadline_seconds = {_DEADLINE_SECONDS}'
    window = "window_seconds = 60 # more"
    yield window, window.replace("60", str(_WINDOW_SECONDS))


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
    return Book(stack.url("exporter"), running.layout.token("snapshot_token"), CALM)


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
    crossed = records["THRESHOLD_BREACHED"]["payload"]["details"]
    assert (crossed["limit"], crossed["value"], crossed["threshold"]) == (
        "position_loss",
        "-5%",
        "-5%",
    )

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


def test_the_dossiers_tell_who_was_told_and_who_took_it_on(desk: Desk) -> None:
    unanswered, answered = (_dossier(desk, symbol) for symbol in (UNANSWERED, ANSWERED))
    for channel in ("slack", "email", "telegram"):
        assert f"through {channel}" in unanswered
    assert unanswered.index("| through slack |") < unanswered.index("| through email |")
    assert "now counts as critical (time)" in unanswered
    assert "Never acknowledged." in unanswered
    assert "Open profit of AAPL" in unanswered.partition("## Messages as they were sent")[2]
    assert "| olga |" in answered
    assert "| Acknowledged | " in answered
    assert "Never acknowledged." not in answered
    for text in (unanswered, answered):
        assert "| breach |" in text
        assert re.search(r"\| -5% \| [\d:.]+ \| .*warning \| -5% \|", text), "as Prometheus has it"
        assert "does not verify" not in text


def _dossier(desk: Desk, symbol: str) -> str:
    """What there is to be known while everything runs."""
    running = desk.running
    line = [
        *("report", "incident", f"{desk.risk_id(symbol)}:warning:1"),
        *("--data", str(running.layout.root), "--prometheus", running.stack.url("prometheus")),
    ]
    done = CliRunner().invoke(application(line), line)
    assert done.exit_code == 0, done.output
    return str(done.output)


def test_mail_takes_over_from_a_slack_that_is_not_there_and_people_hear_that_it_fails(
    desk: Desk,
) -> None:
    symbol = "IBM"
    mailed = len(desk.mailed())
    desk.life_of_slack.close()
    assert desk.book is not None
    desk.book.more[symbol] = LOSING

    def subjects() -> list[str]:
        return [str(mail["Subject"]) for mail in desk.mailed()[mailed:]]

    warned = f"[WARNING] POSITION_LOSS_WARNING {desk.risk_id(symbol)}"
    eventually(lambda: warned in subjects(), _SOON, "mail has taken over")
    assert ("firing", "warning") in desk.on_console(symbol)
    events = desk.ask("audit", limit=1000)["events"]
    (over,) = [
        event["payload"]["details"]
        for event in events
        if event["header"]["event_type"] == "NOTIFICATION_FAILED_OVER"
        and event["payload"]["details"]["subject"].startswith(desk.risk_id(symbol))
    ]
    assert (over["channel"], over["to"]) == ("slack", "email")
    failing = "[WARNING] RISK_CHANNEL_FAILING channel_failing/slack"
    eventually(lambda: failing in subjects(), _SOON, "people hear that Slack fails")


def test_a_crowd_of_alerts_is_one_storm_and_its_emergency_is_told_at_once(desk: Desk) -> None:
    book = desk.book
    assert book is not None
    names = [f"S{number}" for number in range(_CROWD)]
    crowd = {desk.risk_id(name) for name in names}
    seen = len(desk.printed())
    heard = _heard(desk)
    book.more.update(dict.fromkeys(names, LOSING))
    seconds: list[float] = []

    def known() -> bool:
        """One more question that somebody asks the service meanwhile."""
        began = time.monotonic()
        found = desk.ask("alerts", limit=1000, alertname="POSITION_LOSS_WARNING")["alerts"]
        seconds.append(time.monotonic() - began)
        return crowd <= {one["risk_id"] for one in found}

    eventually(known, _SOON, "all of them are incidents")
    book.lost = 250_000.0  # a quarter of the account, in the middle of the storm

    def said(what: str) -> list[dict[str, str]]:
        return [one for one in desk.printed()[seen:] if one["kind"] == what]

    def emergencies() -> list[dict[str, str]]:
        return [one for one in said("firing") if one["severity"] == "emergency"]

    eventually(lambda: known() and emergencies(), _SOON, "the emergency is told")
    assert not [one for one in said("digest") if "OVER" in one["title"]], "the storm is on"
    eventually(lambda: known() and _heard(desk) - heard >= 1000, 60, "a thousand alerts came")
    eventually(lambda: known() and said("digest"), 2 * _WINDOW_SECONDS, "the digest")
    assert len(said("storm")) == 1
    told = [one for one in said("firing") if one.get("risk_id") in crowd]
    assert len(told) <= 11, "the rest is told together"
    assert desk.ask("system/status")["kill_switch"]["state"] != "ARMED"
    assert statistics.median(seconds) < 0.1


def test_what_limits_stand_at_is_told_as_prometheus_knows_it(desk: Desk) -> None:
    """Asked once everything has fallen: far beyond the last threshold is where it matters."""
    book = desk.book
    assert book is not None
    book.mark = LOST
    book.more.update(dict.fromkeys(book.more, LOST))

    def worst_of_all() -> bool:
        found = {one["limit"]: one["values"] for one in desk.ask("metrics/current")["limits"]}
        return bool(found["position_loss"][0]["value"] == pytest.approx(LOST / PAID - 1))

    eventually(worst_of_all, _SOON, "all of them have fallen")
    current = desk.ask("metrics/current")
    assert [(one["account"], one["stale"]) for one in current["accounts"]] == [("main", False)]
    watched = {one["limit"]: one for one in current["limits"]}
    assert all(one["thresholds"] for one in watched.values())
    lost = watched["position_loss"]
    worst = lost["values"][0]
    assert worst["beyond"] == lost["thresholds"][-1]["tier"]
    assert worst["next"] is None
    assert worst["value"] < lost["thresholds"][-1]["threshold"] < 0
    assert worst["used"] > 1
    assert worst["about"] == {"account": "main", "symbol": worst["risk_id"].split("/")[-1]}
    used = [one["used"] for one in lost["values"]]
    assert used == sorted(used, reverse=True)
    assert len(used) == 10, "of a crowd the worst few"

    past = desk.ask("metrics/history", limit="position_loss", symbol=UNANSWERED)
    [line] = past["lines"]
    assert line["about"] == {"account": "main", "symbol": UNANSWERED}
    values = [value for _, value in line["points"]]
    # Whether a point falls into the seconds before it lost anything is up to when this is asked.
    told = [level / PAID - 1 for level in (CALM, LOSING, LOST)]
    assert all(any(value == pytest.approx(one) for one in told) for value in values)
    assert told[1] in [pytest.approx(value) for value in values]
    assert values[-1] == min(values)


def test_every_panel_of_every_dashboard_shows_something_of_all_this(desk: Desk) -> None:
    """Positions, breaches, a kill, deliveries and answers: a panel without data asks wrongly."""
    desk.acknowledge("drawdown/main", "emergency")
    prometheus = desk.running.stack.url("prometheus")
    every = [one for one in queries() if one.panel not in EMBEDDED_ALONE]
    left = unanswered(prometheus, every, seconds=900)

    def answered() -> bool:
        """What was asked in vain may only not have been scraped or evaluated yet."""
        left[:] = unanswered(prometheus, left, seconds=900)
        return not left

    eventually(answered, _SOON, lambda: "no data:\n" + "\n".join(map(str, left)))


def test_what_happened_once_is_among_the_events_of_the_range(desk: Desk) -> None:
    (table,) = [one for one in queries() if one.panel == "Events in this range"]
    query = replaced(table.expression, scrape_seconds=1, range_seconds=900)
    prometheus = desk.running.stack.url("prometheus")
    answer = desk.client.get(f"{prometheus}/api/v1/query", params={"query": query}).json()
    found = {
        one["metric"]["event_type"]: float(one["value"][1]) for one in answer["data"]["result"]
    }
    assert found["KILL_SWITCH_ACTIVATED"] == pytest.approx(1, abs=0.1)
    assert min(found.values()) > 0


def _heard(desk: Desk) -> float:
    """How many alerts the receivers have taken in."""
    text = desk.client.get(f"{desk.running.stack.url('receivers')}/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("risk_feed_alerts_total{")]
    return sum(float(line.split()[-1]) for line in lines)


def _seq(event: dict[str, Any]) -> int:
    return int(event["header"]["seq"])


def _at(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["header"]["recorded_at"])

"""A position loses 5 %: people are warned, and who does not answer is told louder.

The whole way on real parts: a snapshot over HTTP, exporter, Prometheus, Alertmanager, receivers,
and at the end of it the console, the file, a mail server, Slack and Telegram, and a browser.
Everything runs on one policy, in which minutes of escalation are seconds. Two positions lose the
same in the same snapshot, so their clocks start together; a person takes on one of them, in
Alertmanager's own tool. Then Slack is gone while a third one loses, and at last a hundred lose at
once.

These are scenarios 1, 2, 3 and 5 of tests/acceptance/scenarios.toml; ``then`` notes what was seen.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import telegram_stand_in
from acceptance.thens import Thens
from console_screen import console_screen
from grafana_queries import EMBEDDED_ALONE, queries, replaced, unanswered
from loopback_http import Reply
from losing_desk import ANSWERED, PAID, UNANSWERED, Desk, after, recorded_at, seq
from playwright.sync_api import expect
from stack_under_test import Running, edited_policy, eventually
from telegram_stand_in import TelegramStandIn
from told_people import told_people
from typer.testing import CliRunner

from risk_policy.clock import utc_now
from riskwarden.app import application
from riskwarden.stack.processes import Processes

pytestmark = pytest.mark.stack

CALM, LOSING, LOST = 99.0, 95.0, 85.0
ESCALATES_AFTER = timedelta(seconds=12)
_SOON = 30.0
_DEADLINE_SECONDS = 5
_WINDOW_SECONDS = 10
_CROWD = 100
#: What the users called too much under load.
_MOST_MEMORY_MIB = 500
_RATE_LIMIT = Reply(429, "rate_limited", {"Retry-After": "1"})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Both positions lose; people were warned of both, and somebody has taken on one of them."""
    folder = tmp_path_factory.mktemp("losing")
    with ExitStack() as stack:
        people = stack.enter_context(told_people())
        policy = edited_policy(folder, *people.edits, *_sooner())
        (folder / "log").mkdir()
        processes = stack.enter_context(Processes(folder / "log"))
        desk = Desk(Running(folder, processes, policy), people)
        stack.callback(desk.client.close)
        book = stack.enter_context(desk.start(CALM))
        desk.see_calm(_SOON)
        stack.callback(desk.look_away)
        desk.screen = desk.looking.enter_context(console_screen(desk.running))
        desk.fell_at, book.mark = utc_now(), LOSING
        eventually(lambda: all(map(desk.on_slack, (ANSWERED, UNANSWERED))), _SOON, "both are told")
        # From here on both services are busy when they are asked for the first time.
        people.slack.next.append(_RATE_LIMIT)
        people.telegram.instead = _busy_once(people.telegram)
        desk.acknowledge(desk.risk_id(ANSWERED))
        yield desk


def _sooner() -> Iterator[tuple[str, str]]:
    minutes = ESCALATES_AFTER / timedelta(minutes=1)
    yield "warning_to_critical_minutes = 5", f"warning_to_critical_minutes = {minutes:g}"
    slack = 'webhook_url = "${SLACK_WEBHOOK_URL}"'
    yield slack, f'{slack}\nfallback = ["email"]\ndeadline_seconds = {_DEADLINE_SECONDS}'
    window = "window_seconds = 60 # more"
    yield window, window.replace("60", str(_WINDOW_SECONDS))


def _busy_once(telegram: TelegramStandIn) -> Any:
    def answer(received: Any) -> Reply:
        if not received.path.endswith("/sendMessage"):
            return telegram.answer(received)
        telegram.instead = None
        return telegram_stand_in.failure(429, "Too Many Requests: retry after 1", retry_after=1)

    return answer


def test_a_position_that_loses_five_percent_is_a_warning_to_whom_warnings_go_and_on_record(
    desk: Desk, then: Thens
) -> None:
    name, warning = desk.risk_id(UNANSWERED), ("firing", "warning")
    with then("warning is shown") as saw:
        card = desk.card(UNANSWERED)
        expect(card).to_contain_text("AAPL")
        saw(f"\u201c{' '.join(card.inner_text().split())[:90]}\u2026\u201d")

    with then("warning is raised") as saw:
        incident = desk.incident(UNANSWERED)
        assert (incident["alertname"], incident["tier"]) == ("POSITION_LOSS_WARNING", "warning")
        saw(f"{incident['id']}, {after(desk.recorded(UNANSWERED)['ALERT_CREATED'], desk.fell_at)} "
            "after the loss")  # fmt: skip

    with then("warning is told") as saw:
        eventually(lambda: warning in desk.on_console(UNANSWERED), _SOON, "told on the console")
        eventually(lambda: warning in desk.in_file(UNANSWERED), _SOON, "told in the file")
        post, *_ = eventually(lambda: desk.on_slack(UNANSWERED), _SOON, "told on Slack")
        assert post["text"] == f"[PAPER] [WARNING] POSITION_LOSS_WARNING {name}", "nobody mentioned"
        assert "-5%, against a limit of -5%" in json.dumps(post)
        # Mail and Telegram are enabled, and will be heard of when it gets worse.
        owed = desk.owed(UNANSWERED, "firing")
        assert owed == {"console", "file", "slack"}
        assert not desk.people.by_mail("[WARNING]")
        assert not desk.people.by_telegram("[WARNING]")
        saw(f"by {', '.join(sorted(owed))}, and by nothing else")

    with then("warning is recorded") as saw:
        records = desk.recorded(UNANSWERED)
        assert seq(records["ALERT_CREATED"]) < seq(records["ALERT_DISPATCHED"])
        record = records["ALERT_CREATED"]["payload"]
        assert (record["severity"], record["category"]) == ("warning", "position")
        assert record["message"].startswith(f"POSITION_LOSS_WARNING {name}: Open profit of AAPL")
        assert record["details"]["annotations"]["value"] == "-5%"
        assert record["details"]["policy_digest"] == desk.running.policy.digest
        crossed = records["THRESHOLD_BREACHED"]["payload"]["details"]
        breach = (crossed["limit"], crossed["value"], crossed["threshold"])
        assert breach == ("position_loss", "-5%", "-5%")
        verify = ["audit", "verify", "--data", str(desk.running.layout.root)]
        verified = CliRunner().invoke(application(verify), verify)
        assert verified.exit_code == 0, verified.output
        assert "intact" in verified.output
        saw(f"ALERT_CREATED is record {seq(records['ALERT_CREATED'])}, THRESHOLD_BREACHED record "
            f"{seq(records['THRESHOLD_BREACHED'])}; the chain verifies")  # fmt: skip


def test_a_warning_becomes_critical_and_is_mailed_unless_somebody_answers_it(
    desk: Desk, then: Thens
) -> None:
    name, louder = desk.risk_id(UNANSWERED), ("escalated", "critical")
    people = desk.people
    with then("escalation is told") as saw:
        eventually(desk.mailed, ESCALATES_AFTER.total_seconds() + _SOON, "mailed")
        eventually(lambda: len(desk.on_slack(UNANSWERED)) > 1, _SOON, "told on Slack")
        eventually(lambda: people.telegram.sent, _SOON, "told on Telegram")
        eventually(lambda: louder in desk.on_console(UNANSWERED), _SOON, "told on the console")
        eventually(lambda: louder in desk.in_file(UNANSWERED), _SOON, "told in the file")
        subjects = [one["Subject"] for one in desk.mailed()]
        assert subjects == [f"[PAPER] [CRITICAL] POSITION_LOSS_WARNING {name}"]
        body = desk.mailed()[0].get_body(("plain",))
        assert body is not None
        assert "Nobody has acknowledged it for 12s" in " ".join(body.get_content().split())
        _, post = desk.on_slack(UNANSWERED)
        assert post["text"] == f"<!channel> [PAPER] [CRITICAL] POSITION_LOSS_WARNING {name}"
        ((_, text),) = people.telegram.sent
        assert name in text
        # Both were busy at first, were left alone for as long as they asked, and were told then.
        assert len(people.slack.received) == len(people.slack.posted) + 1
        asked = [one.path.endswith("/sendMessage") for one in people.telegram.received]
        assert asked.count(True) == 2
        failed = desk.metric("risk_messages_total", 'outcome="failed"')
        assert failed == 0, "it would be an alert of its own, and told by mail"
        saw(f"mail \u201c{subjects[0]}\u201d; Slack \u201c{post['text']}\u201d; Telegram, too")

    with then("escalation is critical") as saw:
        assert desk.incident(UNANSWERED)["severity"] == "critical"
        # The other one has waited as long, and both are judged in the same round by one rule.
        answered = desk.incident(ANSWERED)
        assert (answered["severity"], answered["state"]) == ("warning", "ACKNOWLEDGED")
        assert answered["acknowledged"]["author"] == "olga"
        saw(f"{name} counts as critical; {desk.risk_id(ANSWERED)}, which olga acknowledged, as "
            "warning")  # fmt: skip

    with then("escalation is recorded") as saw:
        records = desk.recorded(UNANSWERED)
        escalated = records["ALERT_ESCALATED"]["payload"]
        assert (escalated["severity"], escalated["actor_type"]) == ("critical", "SYSTEM")
        assert "now counts as critical (time)" in escalated["message"]
        waited = recorded_at(records["ALERT_ESCALATED"]) - recorded_at(records["ALERT_CREATED"])
        assert waited > ESCALATES_AFTER / 2
        saw(f"ALERT_ESCALATED is record {seq(records['ALERT_ESCALATED'])}, "
            f"{waited / timedelta(seconds=1):.1f} s after ALERT_CREATED")  # fmt: skip

    with then("escalation is shown") as saw:
        severity = desk.card(UNANSWERED).locator(".alert-severity")
        expect(severity).to_have_text("critical")
        expect(desk.card(UNANSWERED).locator(".chip").first).to_have_text("escalated")
        saw(f"it is shown as {severity.inner_text()} now, and as escalated")
    desk.look_away()

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
    desk: Desk, then: Thens
) -> None:
    symbol = "IBM"
    people, name = desk.people, desk.risk_id(symbol)
    people.slack_goes()
    assert desk.book is not None
    desk.book.more[symbol] = LOSING
    warned = f"[WARNING] POSITION_LOSS_WARNING {name}"
    with then("failure falls back") as saw:
        eventually(lambda: people.by_mail(warned), _SOON, "mail has taken over")
        assert ("firing", "warning") in desk.on_console(symbol)
        assert not desk.on_slack(symbol)
        saw(f"mail \u201c{warned}\u201d, which Slack was to tell")

    with then("failure is recorded") as saw:
        over = desk.only("NOTIFICATION_FAILED_OVER", symbol)
        details = over["payload"]["details"]
        assert (details["channel"], details["to"]) == ("slack", "email")
        saw(f"NOTIFICATION_FAILED_OVER is record {seq(over)}: from slack to email")

    with then("failure is logged") as saw:
        said = re.search(r"ERROR .*channel slack: .*", desk.log())
        assert said, "nothing of it is in the log"
        failed = desk.only("NOTIFICATION_FAILED", symbol)
        failing = "[WARNING] RISK_CHANNEL_FAILING channel_failing/slack"
        eventually(lambda: people.by_mail(failing), _SOON, "people hear that Slack fails")
        saw(f"log: \u201c{said[0][:100]}\u201d; NOTIFICATION_FAILED is record {seq(failed)}; "
            "RISK_CHANNEL_FAILING was mailed")  # fmt: skip

    desk.book.more[symbol] = LOST
    with then("failure is mailed") as saw:
        worse = f"[CRITICAL] POSITION_LOSS_CRITICAL {name}"
        eventually(lambda: people.by_mail(worse), _SOON, "the critical alert is mailed")
        assert people.by_mail(warned), "the WARNING is not"
        saw(f"{people.by_mail(worse)[0]['To']} got both; the last is \u201c{worse}\u201d")
    people.slack_returns()


def test_a_crowd_of_alerts_is_one_storm_and_its_emergency_is_told_at_once(
    desk: Desk, then: Thens
) -> None:
    book = desk.book
    assert book is not None
    names = [f"S{number}" for number in range(_CROWD)]
    crowd = {desk.risk_id(name) for name in names}
    seen, heard = len(desk.printed()), desk.metric("risk_feed_alerts_total")
    began = time.monotonic()
    book.more.update(dict.fromkeys(names, LOSING))
    seconds, found = list[float](), list[str]()

    def came() -> int:
        return int(desk.metric("risk_feed_alerts_total") - heard)

    def known() -> bool:
        """One more question that somebody asks the service meanwhile."""
        asked = time.monotonic()
        alerts = desk.ask("alerts", limit=1000, alertname="POSITION_LOSS_WARNING")["alerts"]
        seconds.append(time.monotonic() - asked)
        found[:] = [one["risk_id"] for one in alerts if one["risk_id"] in crowd]
        return crowd <= set(found)

    def said(what: str) -> list[dict[str, str]]:
        return [one for one in desk.printed()[seen:] if one["kind"] == what]

    def emergencies() -> list[dict[str, str]]:
        return [one for one in said("firing") if one["severity"] == "emergency"]

    eventually(known, _SOON, "all of them are incidents")
    book.lost = 250_000.0  # a quarter of the account, in the middle of the storm
    with then("storm is one alert") as saw:
        eventually(lambda: known() and emergencies(), _SOON, "the emergency is told")
        assert not [one for one in said("digest") if "OVER" in one["title"]], "the storm is on"
        eventually(lambda: known() and said("digest"), 60, "the digest")
        told = [one for one in said("storm") + said("firing") if one["alert"] == "ALERT_STORM"]
        assert len(told) == 1, "by the rules, where theirs came first"
        storm = desk.only("STORM_BEGAN")
        saw(f"ALERT_STORM was told once; STORM_BEGAN is record {seq(storm)}; the emergency in the "
            "midst of it was told before the digest")  # fmt: skip

    with then("storm is deduplicated") as saw:
        eventually(lambda: known() and came() >= 1000, 60, "a thousand alerts came")
        took = time.monotonic() - began
        assert len(found) == _CROWD, "one incident each"
        told = [one for one in said("firing") if one.get("risk_id") in crowd]
        assert len(told) <= 11, "the rest is told together"
        assert took < 60
        saw(f"{came():,} alerts in {took:.0f} s are {len(found)} incidents; {len(told)} were told "
            "by themselves")  # fmt: skip

    with then("storm is responsive") as saw:
        median = statistics.median(seconds)
        assert median < 0.1
        saw(f"{median * 1000:.0f} ms in the median of {len(seconds)} questions, "
            f"{max(seconds) * 1000:.0f} ms at worst")  # fmt: skip

    with then("storm leaves no memory behind") as saw:
        held = desk.resident_mib()
        assert held < _MOST_MEMORY_MIB
        saw(f"{held:.0f} MiB resident, of at most {_MOST_MEMORY_MIB}")
    assert desk.ask("system/status")["kill_switch"]["state"] != "ARMED"


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

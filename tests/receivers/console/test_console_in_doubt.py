"""The console where less is known than it seems: nothing may look well that nobody knows to be."""

from __future__ import annotations

import itertools
import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from chromium import PHONE, Window
from figures import CALM, TROUBLE
from playwright.sync_api import Dialog, Page, Route, WebSocketRoute, expect

pytestmark = pytest.mark.stack

WARNING: Final = {"name": "DRAWDOWN_WARNING", "risk_id": "drawdown/main", "account": "main"}
CRITICAL: Final = {
    **WARNING,
    "name": "DRAWDOWN_CRITICAL",
    "tier": "critical",
    "severity": "critical",
}
#: More than the page is told of at once.
STORM: Final = 520
#: How many rows it has at first, and how many more it is told of, however many are open.
ROWS, TOLD = 12, 62
#: What the page has asked the API for, whatever number stands in it.
ASKED: Final = """() => [...new Set(performance.getEntriesByType("resource")
    .map(({name}) => new URL(name)).filter(({pathname}) => pathname.startsWith("/api/"))
    .map(({pathname, search}) => pathname + search))].sort()"""
#: Each time the quiet voice speaks: when, and what.
LISTEN: Final = """() => {
    window.told = [];
    const region = document.getElementById("polite");
    const note = () => told.push([performance.now(), region.textContent]);
    new MutationObserver(note).observe(region, {childList: true, subtree: true});
}"""


def reasons(page: Page) -> Any:
    return page.locator("#verdict-reasons")


def level(page: Page, wanted: str) -> None:
    expect(page.locator("#verdict")).to_have_attribute("data-level", wanted)


def test_of_an_account_that_fell_silent_the_last_values_stay_grey_and_say_how_old_they_are(
    desk: Any, console: Window
) -> None:
    page, limits = console.page, console.page.locator("#limits")
    expect(limits).to_contain_text("4.1 %")
    level(page, "safe")
    desk.figures.reported_at = time.time() - 600
    level(page, "unknown")
    expect(reasons(page)).to_contain_text("Account main has stopped reporting")
    expect(limits).to_contain_text(re.compile(r"Stale: reported last 1\d min ago\."))
    expect(limits.locator("[data-level=safe]")).to_have_count(0)

    page.get_by_role("button", name="Stop trading…").click()
    dialog = page.get_by_role("dialog", name="Stop trading")
    dialog.get_by_role("radio", name=re.compile("graceful")).check()
    dialog.get_by_label("Reason").fill("nobody knows what it does")
    dialog.get_by_role("button", name="Show what would happen").click()
    expect(dialog).to_contain_text(re.compile(r"main holds was last reported \d+ s ago"))
    expect(dialog).to_contain_text("What is open after 30 minutes is closed then")
    page.keyboard.press("Escape")

    desk.figures.text = ""  # its runtime dies, and its series with it
    expect(page.locator(".limit[data-level=unknown]").first).to_be_visible()
    expect(limits).to_contain_text("4.1 %")
    level(page, "unknown")
    page.reload()
    expect(reasons(page)).to_contain_text("Account main has stopped reporting")
    expect(page.locator("#limits-none")).to_have_text("No limit is being measured.")
    level(page, "unknown")

    desk.figures.text, desk.figures.reported_at = CALM.replace("} 0.58", "} NaN"), None
    level(page, "caution")  # one value is none, and the others are well
    expect(reasons(page)).to_contain_text("1 limit without a value")
    expect(limits).to_contain_text("It has no value at the moment.")


def test_what_is_past_a_threshold_is_not_well_though_no_alert_says_so(
    desk: Any, console: Window
) -> None:
    page = console.page
    level(page, "safe")
    desk.figures.text = TROUBLE
    level(page, "alarm")
    expect(reasons(page)).to_contain_text("Drawdown, main: past critical, and no alert says so")
    desk.fire(**WARNING)
    expect(reasons(page)).not_to_contain_text("Drawdown, main")
    level(page, "caution")

    page.route("**/api/v1/alerts/open*", lambda route: route.fulfill(status=503, json={}))
    page.reload()
    expect(reasons(page)).to_contain_text("Which alerts fire is not known")
    expect(page.locator("#limits")).to_contain_text("16.3 %")
    expect(reasons(page)).not_to_contain_text("no alert says so")
    console.complaints.clear()  # browsers write every 503 to their console


def test_values_of_now_never_pass_for_those_of_the_trip(desk: Any, console: Window) -> None:
    desk.figures.text = TROUBLE
    expect(console.page.locator("#limits")).to_contain_text("16.3 %")
    desk.receivers.operator_kill("pause", "a test")
    expect(console.page.locator("#limits-note")).to_contain_text(
        "as Prometheus had measured them last"
    )
    tripped = datetime.fromisoformat(desk.receivers.status()["kill_switch"]["since"])
    long_ago = tripped + timedelta(seconds=4)
    desk.wait_until(lambda: datetime.now(UTC) > long_ago, what="the trip is a while ago")
    desk.figures.text = CALM

    def fail(route: Route) -> None:
        route.fulfill(status=503, json={"detail": "Prometheus does not answer"})

    then = re.compile(r"metrics/current\?at=")
    later = desk.open(before=lambda page: page.route(then, fail), axe=False)
    note, shown = later.page.locator("#limits-note"), later.page.locator("#limits")
    expect(note).to_contain_text("is not known: Prometheus does not answer")
    expect(note).to_contain_text("Live values.")
    expect(shown).to_contain_text("4.1 %")
    later.page.unroute(then)
    expect(note).to_contain_text("Frozen at")  # it was asked again
    expect(shown).to_contain_text("16.3 %")
    later.close()


def test_whoever_closes_a_dialog_too_soon_still_hears_how_it_ended(
    desk: Any, console: Window
) -> None:
    page = console.page
    held: list[Route] = []
    page.route("**/acknowledge", lambda route: held.append(route))
    desk.fire(**WARNING)

    def send_and_leave() -> Route:
        page.get_by_role("button", name="Acknowledge drawdown warning").click()
        dialog = page.get_by_role("dialog", name="Acknowledge")
        dialog.get_by_label("What you do about it").fill("reducing")
        with page.expect_request("**/acknowledge"):
            dialog.get_by_role("button", name="Acknowledge").click()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)

        def has_come() -> bool:
            page.wait_for_timeout(50)  # the browser's words are heard meanwhile
            return bool(held)

        desk.wait_until(has_come, what="it was sent")
        return held.pop()

    ended = page.get_by_role("dialog", name="Acknowledge: not confirmed")
    send_and_leave().fulfill(status=503, json={"detail": "Alertmanager does not answer"})
    expect(ended.get_by_role("alert")).to_have_text("Alertmanager does not answer")
    ended.get_by_role("button", name="Done").click()
    expect(ended).to_have_count(0)
    send_and_leave().abort()
    expect(ended.get_by_role("alert")).to_contain_text("Whether it was done is not known")
    console.complaints.clear()  # browsers write every 503 to their console


def test_in_a_storm_the_urgent_one_is_seen_and_few_words_are_said(desk: Any) -> None:
    opened = desk.open(axe=False)
    page = opened.page
    level(page, "safe")
    page.wait_for_load_state("networkidle")
    asked_in_calm = page.evaluate(ASKED)
    assert any("stats" in path for path in asked_in_calm), "the small panels, too"
    page.evaluate(LISTEN)
    now = datetime.now(UTC)
    desk.fire(starts=now - timedelta(hours=5), **CRITICAL)
    storm = [
        desk.words.alert(
            name="POSITION_SIZE_WARNING",
            risk_id=f"position_size/main/S{number}",
            category="position",
            starts=now - timedelta(seconds=number),
            ends=now + timedelta(minutes=30),
        )
        for number in range(STORM)
    ]
    in_turn = [storm[first : first + 40] for first in range(0, STORM, 40)]
    for some in in_turn:
        assert desk.receivers.send("alerts", some).status_code == 200
    expect(page.locator(".tile-value", has_text="521")).to_be_visible()
    page.reload()
    level(page, "alarm")  # though 520 are newer
    expect(page.locator(".alert").first).to_contain_text("Drawdown critical")
    expect(reasons(page)).to_contain_text("520 alerts beside that")
    expect(page.locator(".tile-value", has_text="521")).to_be_visible()
    # What it asks, is told and draws at first does not grow with what is open.
    page.wait_for_function(f"(calm) => ({ASKED})().join() === calm", arg=",".join(asked_in_calm))
    expect(page.locator(".alert")).to_have_count(ROWS)
    expect(page.locator("#timeline-said")).to_contain_text("the worst of 521 open alerts")
    assert page.locator("#timeline .event").count() <= TOLD + 100  # and the latest
    for rows in (TOLD, TOLD + 50):
        page.get_by_role("button", name=f"Show more ({STORM + 51 - rows} not shown)").click()
        expect(page.locator(".alert")).to_have_count(rows)
    page.evaluate(LISTEN)
    over = [{**alert, "endsAt": now.isoformat()} for alert in storm]
    for first in range(0, STORM, 40):
        desk.receivers.hear_watchdog()
        assert desk.receivers.send("alerts", over[first : first + 40]).status_code == 200
    expect(page.locator(".alert")).to_have_count(1)
    expect(page.locator("#polite")).to_contain_text("over")
    told = page.evaluate("told")
    pauses = [after - before for (before, _), (after, _) in itertools.pairwise(told)]
    assert all(pause >= 4_500 for pause in pauses), told
    opened.close()
    desk.calm_down()


def test_a_trip_is_told_to_whoever_is_in_a_dialog(desk: Any, console: Window) -> None:
    page = console.page
    desk.fire(**WARNING)
    page.get_by_role("button", name="Comment on drawdown warning").click()
    dialog = page.get_by_role("dialog", name="Comment")
    desk.receivers.operator_kill("pause", "the feed is wrong")
    expect(dialog.locator("#assertive")).to_contain_text("Kill switch tripped for everything")
    page.keyboard.press("Escape")
    expect(page.locator("body > #assertive")).to_have_count(1)


def test_what_was_shown_before_a_trip_grows_too_old_to_be_confirmed(
    desk: Any, console: Window
) -> None:
    page = console.page
    page.clock.install()
    page.get_by_role("button", name="Stop trading…").click()
    dialog = page.get_by_role("dialog", name="Stop trading")
    dialog.get_by_role("radio", name=re.compile("pause")).check()
    dialog.get_by_label("Reason").fill("the feed is wrong")
    show = dialog.get_by_role("button", name="Show what would happen")
    show.click()
    stop = dialog.get_by_role("button", name="Stop trading now")
    expect(stop).to_be_enabled()
    page.clock.fast_forward(61_000)
    expect(stop).to_be_disabled()
    expect(dialog.get_by_role("alert")).to_contain_text("too old to be confirmed")
    dialog.get_by_role("button", name="Back").click()
    expect(dialog.get_by_label("Reason")).to_have_value("the feed is wrong")
    show.click()
    expect(stop).to_be_enabled()
    assert not desk.receivers.gate_says_halt()


def test_what_others_said_of_an_alert_is_read_by_whoever_may_only_look(desk: Any) -> None:
    desk.add("eva", "quant_analyst")
    desk.fire(**WARNING)
    (alert,) = desk.receivers.call("GET", "/api/v1/alerts?state=open").json()["alerts"]
    said = {"author": "tester", "comment": "half is <b>sold</b>"}
    path = f"/api/v1/alerts/{alert['id']}/comments"
    assert desk.receivers.call("POST", path, json=said).status_code == 200
    opened = desk.open("eva", axe=False)
    opened.page.get_by_role("button", name="History of drawdown warning").click()
    dialog = opened.page.get_by_role("dialog", name="History")
    expect(dialog.get_by_role("region", name="What happened so far")).to_contain_text(
        "half is <b>sold</b>"
    )
    expect(dialog.get_by_role("textbox")).to_have_count(0)
    opened.page.keyboard.press("Escape")
    with opened.page.expect_popup() as runbook:
        opened.page.get_by_role("link", name="Runbook of drawdown warning").click()
    expect(runbook.value.locator("body")).to_contain_text("DRAWDOWN_WARNING")
    assert opened.complaints == []
    opened.close()
    desk.calm_down()


def test_who_stands_out_is_shown_to_whoever_may_know(desk: Any, console: Window) -> None:
    page = console.page
    assert desk.receivers.call("GET", "/api/v1/alerts", token="guessed").status_code == 401
    panel = page.get_by_role("region", name="Security")
    page.reload()
    expect(panel).to_contain_text("127.0.0.1")
    expect(panel).to_contain_text("score")
    desk.add("otto", "trading_ops")
    opened = desk.open("otto", axe=False)
    expect(opened.page.get_by_role("region", name="Drills")).to_be_visible()
    expect(opened.page.get_by_role("region", name="Security")).to_have_count(0)
    assert opened.complaints == [], "it was not even asked for"
    opened.close()


def test_whose_session_ended_is_told_so(desk: Any, console: Window) -> None:
    ended = desk.receivers.call(
        "DELETE", f"/api/v1/users/{console.user}/sessions", json={"actor": "tester"}
    )
    assert ended.json()["ended"] >= 1
    console.page.wait_for_url("**/login#over")
    expect(console.page.locator("#first")).to_have_text("The session is over. Log in to go on.")
    console.complaints.clear()  # browsers write every 401 to their console


def test_why_a_phone_s_kill_was_not_sent_is_seen_without_scrolling(desk: Any) -> None:
    opened = desk.open(axe=False, viewport=PHONE)
    page = opened.page
    page.get_by_role("button", name="Stop trading").click()
    page.get_by_role("radio", name="immediate").check()
    page.get_by_label("Reason").fill("the feed is wrong")
    page.get_by_role("button", name="Show what would happen").click()
    page.get_by_label("Type IMMEDIATE").fill("yes")
    page.get_by_role("button", name="Stop trading now").click()
    expect(page.get_by_role("alert")).to_contain_text("Type IMMEDIATE")
    expect(page.get_by_role("alert")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Stop trading now")).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    opened.close()


def test_what_alerts_say_is_text_and_none_takes_the_screen_from_the_others(desk: Any) -> None:
    markup = "<img src=x onerror=alert(1)>\"'&amp;{{7*7}}"
    turned = "\u202egpj.exe\u202c \u05e9\u05dc\u05d5\u05dd"
    opened = desk.open(axe=False, viewport=PHONE)
    page = opened.page
    shown: list[Dialog] = []

    def dismissed(dialog: Dialog) -> None:
        shown.append(dialog)
        dialog.dismiss()

    page.on("dialog", dismissed)
    desk.fire(**{**WARNING, "risk_id": f"drawdown/{markup}", "account": markup}, said=markup)
    desk.fire(**{**WARNING, "risk_id": f"drawdown/{turned}", "account": turned}, said=turned)
    desk.fire(**{**WARNING, "risk_id": "drawdown/long", "account": "x" * 400}, said="word " * 2000)
    kill = {"mode": "pause", "reason": "r" * 300, "actor": "tester", "scope": f"symbol={'S' * 60}"}
    assert desk.receivers.call("POST", "/api/v1/kill", json=kill).status_code == 200
    expect(page.locator(".alert")).to_have_count(3)
    expect(page.locator(".alert-line", has_text=markup)).to_be_visible()
    expect(page.locator("#banner")).to_contain_text("S" * 60)
    tall = page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('.alert')].map((one) => one.offsetHeight))"
    )
    assert tall < 320
    assert not page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    assert shown == []
    assert opened.complaints == []
    opened.close()
    desk.calm_down()


def test_however_much_happens_the_page_asks_for_the_status_once_a_second(desk: Any) -> None:
    sockets: list[WebSocketRoute] = []

    def between(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    opened = desk.open(
        before=lambda page: page.route_web_socket("**/ws/alerts*", between), axe=False
    )
    page = opened.page
    asked = "performance.getEntriesByType('resource').filter((one) => /status$/.test(one.name))"
    page.evaluate("() => performance.clearResourceTimings()")
    for _ in range(60):
        sockets[-1].send(json.dumps({"type": "status"}))
        page.wait_for_timeout(50)
    page.wait_for_function(f"() => {asked}.length >= 3")
    times = page.evaluate(f"() => {asked}.map((one) => one.startTime)")
    assert len(times) <= (times[-1] - times[0]) / 1000 + 3, times  # some it asks for by itself
    opened.close()


def test_a_channel_that_is_late_is_not_well(desk: Any) -> None:
    def late(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        told["channels"][0]["late"] = True
        route.fulfill(response=answer, body=json.dumps(told))

    opened = desk.open(before=lambda page: page.route("**/api/v1/channels", late), axe=False)
    expect(reasons(opened.page)).to_contain_text("1 channel late: ")
    level(opened.page, "caution")
    opened.close()

"""The console in a real browser: what somebody at the desk sees, and what they do there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from chromium import DESKTOP, PHONE, Window
from figures import BOOK, CATEGORIES, TROUBLE
from playwright.sync_api import WebSocketRoute, expect

pytestmark = pytest.mark.stack

#: Untracked; two of them are in the README.
PICTURES: Final = Path(__file__).parents[3] / "var" / "screenshots" / "console"
WARNING: Final = {"name": "DRAWDOWN_WARNING", "risk_id": "drawdown/main", "account": "main"}
OTHER: Final = {
    "name": "POSITION_SIZE_WARNING",
    "risk_id": "position_size/main/AAPL",
    "category": "position",
    "account": "main",
    "symbol": "AAPL",
}
LONG_OVER: Final = {"name": "VAR_BREACH_WARNING", "risk_id": "var/main", "account": "main"}
#: What axe looks at again where the same page looks another way.
OF_LOOKS: Final = ("color-contrast", "target-size", "scrollable-region-focusable")
SEEN: Final = {"desktop": DESKTOP, "phone": PHONE}


def card(opened: Window, about: str) -> Any:
    return opened.page.get_by_role("listitem").filter(has_text=about)


def is_about(event: Any, risk_id: str) -> bool:
    """Whether a record is about an alert, and one that the stream tells of."""
    about = event.payload.alert_id if event.payload else None
    return str(about).startswith(risk_id) and str(event.event_type) != "NOTIFICATION_SENT"


def open_trip_dialog(opened: Window, mode: str, reason: str) -> Any:
    opened.page.get_by_role("button", name="Stop trading…").click()
    dialog = opened.page.get_by_role("dialog", name="Stop trading")
    dialog.get_by_role("radio", name=re.compile(mode)).check()
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name="Show what would happen").click()
    return dialog


def test_who_is_not_logged_in_sees_the_page_to_log_in_and_nothing_else(desk: Any) -> None:
    opened = desk.open("", axe=False)
    page = opened.page
    page.wait_for_url("**/login")
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password").fill("not her pass phrase at all")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("is wrong")
    opened.complaints.clear()  # browsers write every 401 to their console
    desk.log_in(opened)
    expect(page.locator("#who")).to_have_text("olga · admin")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto(desk.receivers.url + "/")
    page.wait_for_url("**/login")
    opened.close()


def test_an_alert_appears_by_itself_is_taken_on_and_given_back(desk: Any, console: Window) -> None:
    page = console.page
    expect(page.locator("#verdict-title")).to_have_text("Safe")
    desk.fire(**WARNING)
    row = card(console, "drawdown/main")
    expect(row).to_contain_text("warning")
    expect(page.locator("#polite")).to_contain_text("drawdown warning")
    expect(page.locator("#verdict-title")).not_to_have_text("Safe")
    expect(page).to_have_title(re.compile(r"^\(1\) "))

    row.get_by_role("button", name="Acknowledge").click()
    dialog = page.get_by_role("dialog", name="Acknowledge")
    dialog.get_by_label("What you do about it").fill("reducing AAPL")
    dialog.get_by_label("Quiet for").select_option(label="2 hours")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(row).to_contain_text("olga, until")
    expect(row).to_contain_text("acknowledged")
    (silence,) = desk.alertmanager.active()
    assert silence["createdBy"] == "olga"
    assert "reducing AAPL" in silence["comment"]
    assert {"risk_id", "tier"} == {one["name"] for one in silence["matchers"]}

    row.get_by_role("button", name="Comment").click()
    remark = page.get_by_role("dialog", name="Comment")
    remark.get_by_role("textbox").fill("half is sold")
    remark.get_by_role("button", name="Comment").click()
    expect(remark).to_be_hidden()
    assert any("half is sold" in str(one.payload) for one in desk.receivers.chain())

    row.get_by_role("button", name="Give back").click()
    back = page.get_by_role("dialog", name="Give back")
    back.get_by_label("Why").fill("somebody else has it")
    back.get_by_role("button", name="Give back").click()
    expect(row.get_by_role("button", name="Acknowledge")).to_be_focused()
    desk.wait_until(lambda: not desk.alertmanager.active(), what="the silence has ended")

    desk.resolve(**WARNING)
    expect(row).to_be_hidden()
    expect(page.locator("#alerts")).to_be_focused()
    expect(page.locator("#alerts-none")).to_have_text("No alert is open.")


def test_the_kill_switch_is_tripped_with_a_code_and_the_frozen_limits_are_those_of_the_trip(
    desk: Any, careful: Window
) -> None:
    page = careful.page
    expect(page.locator("#limits")).to_contain_text("4.1 %")
    dialog = open_trip_dialog(careful, "immediate", "the feed is wrong")
    expect(dialog.get_by_role("table")).to_contain_text("AAPL")
    expect(dialog.get_by_role("row")).to_have_count(4)
    expect(dialog).to_contain_text("is closed now")
    assert not desk.receivers.gate_says_halt(), "it has only been asked what would happen"

    stop = dialog.get_by_role("button", name="Stop trading now")
    dialog.get_by_label("Code of your authenticator").fill(desk.code(careful.user))
    dialog.get_by_label("Type IMMEDIATE").fill("immediately")
    stop.click()
    expect(dialog.get_by_role("alert")).to_contain_text("IMMEDIATE")
    dialog.get_by_label("Type IMMEDIATE").fill("IMMEDIATE")
    dialog.get_by_label("Code of your authenticator").fill("000000")
    stop.click()
    expect(dialog.get_by_role("alert")).to_contain_text("authenticator")
    assert not desk.receivers.gate_says_halt()
    careful.complaints.clear()  # browsers write every 409 to their console
    code = desk.code(careful.user)
    dialog.get_by_label("Code of your authenticator").fill(f"{code[:3]} {code[3:]}")
    stop.click()
    banner = page.get_by_role("region", name="Kill switch tripped")
    expect(banner).to_contain_text("the feed is wrong")
    assert desk.receivers.gate_says_halt()
    expect(page.locator("#assertive")).to_contain_text("Kill switch tripped for everything")
    expect(page.locator("#verdict-title")).to_have_text("Stopped")

    expect(page.locator("#limits-note")).to_contain_text("Frozen at")
    desk.figures.text = TROUBLE
    page.get_by_role("button", name="Show live values").click()
    expect(page.locator("#limits")).to_contain_text("16.3 %")
    page.get_by_role("button", name="Show frozen values").click()
    expect(page.locator("#limits")).to_contain_text("4.1 %")
    page.reload()  # whoever comes later sees what was so then, too
    expect(page.locator("#limits-note")).to_contain_text("Frozen at")
    expect(page.locator("#limits")).to_contain_text("4.1 %")


def test_one_step_clears_nothing_and_neither_does_a_code_that_nobody_was_given(
    desk: Any, careful: Window
) -> None:
    page = careful.page
    desk.receivers.operator_kill("pause", "the feed is wrong")
    banner = page.get_by_role("region", name="Kill switch tripped")
    clearing = page.get_by_role("dialog", name="Clear the kill switch")

    def ask() -> None:
        banner.get_by_role("button", name="Clear").click()
        clearing.get_by_label("Reason").fill("the feed is right again")

    def confirm() -> None:
        clearing.get_by_role("checkbox").check()
        clearing.get_by_label("Code of your authenticator").fill(desk.code(careful.user, 1))
        clearing.get_by_role("button", name="Clear it").click()

    ask()
    clearing.get_by_text("Somebody else asked").click()
    clearing.get_by_label("Their code").fill("made up")
    clearing.get_by_role("button", name="Go on").click()
    confirm()
    expect(clearing.get_by_role("alert")).to_contain_text("unknown, was used or is too old")
    page.keyboard.press("Escape")
    expect(clearing).to_be_hidden()
    assert desk.receivers.status()["kill_switch"]["state"] == "TRIPPED"
    careful.complaints.clear()  # browsers write every 409 to their console

    ask()
    clearing.get_by_role("button", name="Go on").click()
    clearing.get_by_role("checkbox").wait_for()
    assert desk.receivers.status()["kill_switch"]["state"] == "TRIPPED", "one step is not enough"
    confirm()
    expect(banner).to_be_hidden()
    assert desk.receivers.status()["kill_switch"]["state"] == "ARMED"


def test_what_is_old_is_unknown_and_never_green(desk: Any, console: Window) -> None:
    page = console.page
    expect(page.locator("#verdict")).to_have_attribute("data-level", "safe")
    with desk.hanging(console):
        expect(page.locator("#verdict")).to_have_attribute("data-level", "unknown")
        expect(page.locator("#verdict-line")).to_contain_text("Nothing was heard for 1 min")
        expect(page.locator("[data-level=safe]")).to_have_count(0)
        expect(page.locator("#connection")).to_contain_text("No connection")
        expect(page.locator("#alerts-none")).to_contain_text("when this was heard of last")
        expect(page.locator("#held-none")).to_contain_text("When last heard of")
        expect(page).to_have_title("Unknown · Riskwarden")
    page.clock.run_for(2_000)
    expect(page.locator("#verdict")).to_have_attribute("data-level", "safe")


def test_after_a_break_the_stream_goes_on_from_the_last_record_that_was_told(desk: Any) -> None:
    asked: list[str] = []
    sockets: list[WebSocketRoute] = []

    def between(socket: WebSocketRoute) -> None:
        asked.append(socket.url)
        if len(asked) == 2:  # the first try to come back fails
            socket.close()
            return
        sockets.append(socket)
        socket.connect_to_server()

    opened = desk.open(
        before=lambda page: page.route_web_socket("**/ws/alerts*", between), axe=False
    )
    page = opened.page
    expect(page.locator("#connection")).to_contain_text("Live")
    desk.fire(**WARNING)
    expect(page.locator(".alert")).to_have_count(1)
    sockets[0].close()
    expect(page.locator("#connection")).to_contain_text("Asking every few seconds")
    expect(page.locator("#verdict")).to_have_attribute("data-level", "caution")
    desk.fire(**OTHER)
    expect(page.locator("#connection")).to_contain_text("Live")
    expect(page.locator(".alert")).to_have_count(2)
    first, *again = [urlsplit(url).query for url in asked]
    assert first == ""
    one, other = (int(query.removeprefix("after=")) for query in again)
    assert one == other
    assert one in {event.seq for event in desk.receivers.chain() if is_about(event, "drawdown/")}
    opened.close()
    desk.calm_down()


def test_what_somebody_may_not_do_is_not_offered(desk: Any) -> None:
    desk.add("ada", "auditor")
    desk.fire(**WARNING)
    kill = {"mode": "pause", "reason": "a test", "actor": "olga", "scope": "symbol=IBM"}
    assert desk.receivers.call("POST", "/api/v1/kill", json=kill).status_code == 200
    opened = desk.open("ada", axe=False)
    banner = opened.page.get_by_role("region", name="Kill switch tripped in part")
    expect(banner).to_contain_text("Covers symbol IBM: ")
    expect(banner.get_by_role("button")).to_have_count(0)
    expect(opened.page.locator("#verdict-title")).to_have_text("Stopped in part")
    expect(opened.page.locator("#limits-note")).to_be_hidden()
    row = card(opened, "drawdown/main")
    expect(row.get_by_role("link", name="Runbook")).to_be_visible()
    expect(row.get_by_role("button")).to_have_text(["History"])
    expect(opened.page.locator("#tiles").get_by_role("button")).to_have_count(0)
    assert opened.complaints == []
    opened.close()
    desk.calm_down()


def test_all_of_it_can_be_done_by_keyboard(desk: Any, console: Window) -> None:
    page = console.page
    desk.fire(**WARNING)
    desk.fire(**OTHER)
    expect(page.locator(".alert")).to_have_count(2)
    page.locator("body").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to alerts")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#alerts")).to_be_focused()

    page.locator(".event[tabindex='0']").focus()
    page.keyboard.press("Home")
    expect(page.locator(".event").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".event").nth(1)).to_be_focused()
    expect(page.locator(".event[tabindex='0']")).to_have_count(1)
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.locator(".alert:focus")).to_have_count(1)
    desk.past(said="it is over", starts=datetime.now(UTC) - timedelta(hours=1), **LONG_OVER)
    over = page.locator(".event[data-open=false][data-id^='var/main:']")
    expect(over).to_have_count(1)  # others are over, too; this one may still be told of as open
    page.locator(".event[tabindex='0']").focus()
    page.keyboard.press("Home")
    expect(over).to_be_focused()
    page.keyboard.press("Enter")  # one that is over is found among those that are
    expect(page.locator(".alert:focus[data-open=false]")).to_have_count(1)

    button = page.get_by_role("button", name="Acknowledge drawdown warning")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Acknowledge")
    expect(dialog.get_by_label("What you do about it")).to_be_focused()
    for _ in range(12):  # the focus goes round within, and out of it to the browser alone
        page.keyboard.press("Tab")
        assert page.evaluate(
            "() => document.activeElement === document.body"
            " || document.activeElement.closest('dialog') !== null"
        )
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_label("What you do about it").fill("reducing")
    dialog.get_by_role("button", name="Acknowledge").press("Enter")
    expect(page.get_by_role("button", name="Give back drawdown warning")).to_be_focused()
    desk.resolve(**WARNING)  # there is nothing to give back any more
    expect(page.locator(".alert[data-open=false] button:focus")).to_have_count(1)


def test_it_is_legible_to_all_in_every_state_on_every_screen(desk: Any) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    windows = {screen: desk.open(viewport=size) for screen, size in SEEN.items()}

    def look(state: str, level: str = "") -> None:
        for screen, opened in windows.items():
            page = opened.page
            if level:
                expect(page.locator(f"#verdict[data-level={level}]")).to_be_visible()
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                rules = () if (screen, scheme) == ("desktop", "light") else OF_LOOKS
                name = f"{state}-{screen}-{scheme}"
                page.screenshot(path=PICTURES / f"{name}.png", full_page="dialog" not in state)
                assert opened.violations(*rules) == [], name
            wide = "() => document.documentElement.scrollWidth > innerWidth"
            assert not page.evaluate(wide), f"{state} is wider than a {screen}"

    for number, result in enumerate(("PASS", "FAIL")):
        rehearse(desk, f"DRILL-000{number}", ("kill-pause", "dead-prometheus")[number], result)
    look("calm", "safe")
    still_open = trouble(desk)
    for opened in windows.values():
        expect(opened.page.locator(".alert")).to_have_count(still_open)
        expect(opened.page.locator("#limits")).to_contain_text("16.3 %")
    look("alarm", "alarm")
    for opened in windows.values():
        open_trip_dialog(opened, "immediate", "the book is losing faster than it may")
        expect(opened.page.get_by_label("Type IMMEDIATE")).to_be_visible()
    look("dialog")
    for opened in windows.values():
        opened.page.keyboard.press("Escape")
        opened.page.get_by_role("button", name="Comment on drawdown critical").click()
        expect(opened.page.locator(".story li").first).to_be_visible()
    look("comment-dialog")
    for opened in windows.values():
        opened.page.keyboard.press("Escape")
    desk.receivers.operator_kill("immediate", "the book is losing faster than it may")
    look("tripped", "stopped")
    with desk.hanging(*windows.values()):
        look("stale", "unknown")
    for opened in windows.values():
        assert opened.complaints == []
        opened.close()
    desk.calm_down()
    login = desk.open("")
    login.page.wait_for_url("**/login")
    login.page.screenshot(path=PICTURES / "login.png")
    assert login.violations() == []
    login.close()


def trouble(desk: Any) -> int:
    """A bad day of a book; how many alerts are open in the end."""
    desk.figures.text = TROUBLE
    now = datetime.now(UTC)
    for name, risk_id, tier, said, ago, lasted in BOOK:
        began = now - timedelta(minutes=ago)
        names = {
            "name": name,
            "risk_id": risk_id,
            "tier": tier,
            "severity": tier,
            "category": CATEGORIES.get(risk_id.split("/")[0], "portfolio"),
            "account": "main",
        }
        if lasted:
            desk.past(starts=began, ends=began + timedelta(minutes=lasted), said=said, **names)
        else:
            desk.fire(starts=began, said=said, **names)
    return sum(1 for *_, lasted in BOOK if not lasted)


def rehearse(desk: Any, name: str, scenario: str, result: str) -> None:
    """A drill that was held."""
    about = {"id": name, "scenario": scenario, "environment": "paper", "actor": "olga"}
    for more in ({"phase": "started"}, {"phase": "ended", "result": result, "criteria": []}):
        answer = desk.receivers.call("POST", "/api/v1/drills", json={**about, **more})
        assert answer.status_code == 200, answer.text

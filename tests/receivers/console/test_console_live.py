"""The console while things change under somebody's hands: nothing jumps, nobody loses the place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from chromium import Window
from playwright.sync_api import Page, Route, WebSocketRoute, expect

pytestmark = pytest.mark.stack

WARNING: Final = {"name": "DRAWDOWN_WARNING", "risk_id": "drawdown/main", "account": "main"}
OTHER: Final = {"name": "VAR_WARNING", "risk_id": "var/other", "account": "other"}
LONG_OVER: Final = {"name": "VAR_BREACH_WARNING", "risk_id": "var/main", "account": "main"}
#: More than the page is told of at once, how many it is told of, and how many rows it has at first.
MANY, TOLD, ROWS = 70, 62, 12
#: However long a test holds an answer back, the page waits for it.
PATIENT: Final = "AbortSignal.timeout = () => new AbortController().signal;"
#: Each answer about alerts takes its time.
SLOW: Final = """const real = window.fetch;
window.fetch = async (path, how) => {
  const answer = await real(path, how);
  if (String(path).includes("/alerts")) await new Promise((go) => setTimeout(go, 250));
  return answer;
};"""
#: How much an announcer of its own remembers of a list that is cut off for long.
REMEMBERED: Final = """async () => {
  const script = document.querySelector("script[type=module]").src;
  const { Announcer } = await import(script.replace("all.js", "announce.js"));
  const one = (number, state) => ({
    ...{ id: `${number}`, risk_id: `${number}`, alertname: "X", severity: "warning", state },
    created_at: String(number).padStart(9, "0"),
  });
  const alerts = Array.from({ length: 62 }, (_, number) => one(number, "CREATED"));
  const open = { isFresh: true, data: { alerts, waiting: { warning: 100 }, acknowledged: {} } };
  const [lasting, passing] = [new Announcer(), new Announcer()];
  for (const each of [lasting, passing]) each.alerts(open);
  for (let number = 100; number < 5100; number += 1) {
    for (const each of [lasting, passing]) each.heard(one(number, "CREATED"));
    passing.heard(one(number, "RESOLVED"));
    if (number % 100 === 0) lasting.alerts(open);
  }
  return [lasting.known.size, passing.known.size];
}"""


def held_back(page: Page, path: str) -> list[tuple[Route, Any]]:
    """Answers that are held back from now on, as the service gave them."""
    held: list[tuple[Route, Any]] = []
    page.route(re.compile(path), lambda route: held.append((route, route.fetch().json())))
    return held


def wait_for_one(desk: Any, page: Page, asked: list[Any]) -> None:
    def is_there() -> bool:
        page.wait_for_timeout(50)  # the browser's words are heard meanwhile
        return bool(asked)

    desk.wait_until(is_there, what="it has asked")


class Stream:
    """Stands between a page and what it is told live."""

    def __init__(self) -> None:
        self._socket: WebSocketRoute | None = None
        self.is_alone = False  # whether nobody else tells it anything

    def begin(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        server = socket.connect_to_server()
        server.on_message(lambda message: None if self.is_alone else socket.send(message))

    def tell(self, alert: dict[str, Any], **other: Any) -> None:
        """Of an alert, with something else about it."""
        assert self._socket is not None
        self._socket.send(json.dumps({"type": "alert", "alert": {**alert, **other}}))


@contextmanager
def live_console(desk: Any, script: str) -> Iterator[tuple[Window, Stream]]:
    """A window with a script in its page, and what that is told live."""
    stream = Stream()

    def prepare(page: Page) -> None:
        page.add_init_script(script)
        page.route_web_socket("**/ws/alerts*", stream.begin)

    opened = desk.open(before=prepare, axe=False)
    try:
        expect(opened.page.locator("#connection")).to_contain_text("Live")
        yield opened, stream
        assert opened.complaints == []
    finally:
        opened.close()
        desk.calm_down()


def test_an_answer_that_was_on_its_way_takes_back_nothing_that_was_told_live(desk: Any) -> None:
    desk.fire(**WARNING)
    with live_console(desk, PATIENT) as (console, _):
        page = console.page
        held = held_back(page, r"/api/v1/alerts\?limit")
        desk.fire(**OTHER)  # soon it asks which are the latest
        wait_for_one(desk, page, held)
        desk.past(said="it is over", starts=datetime.now(UTC) - timedelta(hours=1), **LONG_OVER)
        mark = page.locator(".event[data-open=false][data-id^='var/main:']")
        expect(mark).to_have_count(1)
        page.locator(".event[tabindex='0']").focus()
        page.keyboard.press("Home")
        expect(mark).to_be_focused()
        page.keyboard.press("Enter")
        row = page.locator(".alert[data-open=false][id^='alert-var/main:']")
        expect(row).to_be_focused()

        route, answer = held[0]
        assert all(one["risk_id"] != "var/main" for one in answer["alerts"]), "from before that"
        seen = {"id": "seen:warning:1", "risk_id": "as it was answered"}
        answer["alerts"].append({**answer["alerts"][0], **seen})
        route.fulfill(json=answer)  # and each that follows is held back again
        expect(page.locator(".alert", has_text="as it was answered")).to_have_count(1)
        expect(row).to_be_focused()


def test_however_much_is_told_while_it_asks_it_asks_again_in_its_own_time(desk: Any) -> None:
    with live_console(desk, SLOW) as (console, stream):
        page = console.page
        desk.fire(**WARNING)
        expect(page.locator(".alert")).to_have_count(1)
        (alert,) = desk.receivers.call("GET", "/api/v1/alerts/open").json()["alerts"]
        began = page.evaluate(
            "() => { performance.clearResourceTimings(); return performance.now(); }"
        )
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # then it asks
        for _ in range(60):
            stream.tell(alert)
            page.wait_for_timeout(50)
        names = "performance.getEntriesByType('resource').map(({name}) => new URL(name).pathname)"
        page.wait_for_function(f"() => {names}.includes('/api/v1/alerts/open')")
        ended, asked = page.evaluate(f"() => [performance.now(), {names}]")
        most = (ended - began) / 3_000 + 3
        assert asked.count("/api/v1/alerts/open") <= most, asked
        assert asked.count("/api/v1/alerts") <= most, asked


def test_whoever_is_told_to_wait_waits_whatever_happens_meanwhile(desk: Any) -> None:
    with live_console(desk, "") as (console, stream):
        page = console.page
        desk.fire(**WARNING)
        (alert,) = desk.receivers.call("GET", "/api/v1/alerts/open").json()["alerts"]
        refused: list[Route] = []

        def refuse(route: Route) -> None:
            refused.append(route)
            route.fulfill(status=429, headers={"Retry-After": "600"}, json={"detail": "too often"})

        page.route("**/api/v1/system/status", refuse)
        wait_for_one(desk, page, refused)
        for _ in range(25):  # after each it wants to know how all of it stands
            stream.tell(alert)
            page.wait_for_timeout(200)
        assert len(refused) == 1
        console.complaints.clear()  # browsers write every 429 to their console


def test_of_many_that_began_at_once_none_jumps_and_all_are_within_reach(desk: Any) -> None:
    with live_console(desk, PATIENT) as (console, stream):
        page = console.page
        now = datetime.now(UTC)
        many = [
            desk.words.alert(
                name="POSITION_SIZE_WARNING",
                risk_id=f"position_size/main/S{number:02}",
                category="position",
                starts=now - timedelta(minutes=1),  # as they do that one evaluation finds
                ends=now + timedelta(minutes=30),
            )
            for number in range(MANY)
        ]
        assert desk.receivers.send("alerts", many).status_code == 200
        page.reload()
        more = page.get_by_role("button", name=re.compile("^Show more"))
        expect(more).to_have_text(f"Show more ({MANY - ROWS} not shown)")
        expect(page.locator("#connection")).to_contain_text("Live")
        alerts = desk.receivers.call("GET", f"/api/v1/alerts/open?limit={MANY}").json()["alerts"]
        rows = [f"alert-{one['id']}" for one in alerts]

        def shown() -> Any:
            return page.locator(".alert").evaluate_all("all => all.map((one) => one.id)")

        assert shown() == rows[:ROWS], "as the service lists them"
        held_back(page, "/api/v1/alerts/open")
        page.locator(f"[id='{rows[5]}']").focus()
        stream.is_alone = True
        stream.tell(alerts[5], annotations={"description": "said again"})
        expect(page.locator(".alert:focus")).to_contain_text("said again")
        assert shown() == rows[:ROWS]

        # One that is not listed becomes worse: that is news, though it is not new.
        stream.tell(alerts[TOLD + 3], severity="critical", state="ESCALATED")
        expect(page.locator(".alert").first).to_contain_text("critical")
        about = alerts[TOLD + 3]["risk_id"]
        expect(page.locator("#polite")).to_contain_text(f"critical: position size warning, {about}")
        expect(page.locator(".alert:focus")).to_contain_text("said again")

        stream.is_alone = False
        page.unroute_all()  # and what is held is let go
        expect(page.locator(".alert[data-severity=critical]")).to_have_count(0)
        mark = page.locator(f".event[data-id='{alerts[ROWS + 20]['id']}']")
        mark.focus()
        page.keyboard.press("Enter")
        expect(page.locator(f"[id='{rows[ROWS + 20]}']")).to_be_focused()
        expect(more).to_have_text(f"Show more ({MANY - TOLD} not shown)")
        more.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".alert")).to_have_count(MANY)
        expect(more).to_be_hidden()
        expect(page.locator(".alert").last).to_be_focused()
        assert shown() == rows


def test_what_is_remembered_of_alerts_does_not_grow_with_the_days(console: Window) -> None:
    lasting, passing = console.page.evaluate(REMEMBERED)
    assert lasting <= 2100
    assert passing == 62

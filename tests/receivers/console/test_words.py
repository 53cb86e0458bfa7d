"""Numbers and times as the console writes them: as the platform would, which takes long to load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from chromium import chromium
from playwright.sync_api import Browser

from risk_receivers.console.assets import FOLDER

#: Half past, and three quarters past the hour of UTC; with and without daylight saving; yesterday.
ZONES = ["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati"]
_MODULE = "await import('data:text/javascript,' + encodeURIComponent(source))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def asked(browser: Browser, script: str, answer: str, **how: Any) -> Any:
    """What a function says of the names that a script exports."""
    context = browser.new_context(**how)
    source = (FOLDER / "static" / script).read_text(encoding="utf-8")
    try:
        return context.new_page().evaluate(
            f"async (source) => {{ const it = {_MODULE}; return ({answer})(it); }}", source
        )
    finally:
        context.close()


def test_numbers_are_grouped_and_rounded_as_the_platform_does(browser: Browser) -> None:
    wrong = asked(
        browser,
        "words.js",
        """({ digits }) => {
            const values = [0, 1, 999, 1000, 1234567, 0.5, 0.125, 99.995, 1e15, 12345.678, 0.001];
            for (let at = 0; at < 2000; at++) values.push(Math.sin(at) * 10 ** (at % 11 - 3));
            const theirs = (one, most) =>
                one.toLocaleString("en-GB", { maximumFractionDigits: most });
            return values
                .flatMap((one) => one ? [one, -one] : [one])
                .flatMap((one) => [0, 1, 2].map((most) => [one, most]))
                .filter((asked) => digits(...asked) !== theirs(...asked));
        }""",
    )
    assert wrong == []


@pytest.mark.parametrize("zone", ZONES)
def test_times_are_local_and_have_the_day_unless_it_is_today(browser: Browser, zone: str) -> None:
    wrong = asked(
        browser,
        "clock.js",
        """({ local, tickName }) => {
            const two = "2-digit";
            const shown = (at, how) => new Intl.DateTimeFormat("en-GB", how).format(at);
            const date = { day: "numeric", month: "short" };
            const today = shown(new Date(), { dateStyle: "short" });
            const found = [];
            for (let hour = 0; hour < 400 * 24; hour += 5) {
                const at = new Date(Date.now() - hour * 3_600_000 - hour * 1000);
                const isToday = shown(at, { dateStyle: "short" }) === today;
                const before = isToday ? "" : `${shown(at, date)} `;
                const minutes = shown(at, { hour: two, minute: two });
                const whole = shown(at, { hour: two, minute: two, second: two });
                const midnight = new Date(at).setHours(0, 0, 0, 0);
                found.push([local(at.toISOString()), before + whole]);
                found.push([local(at.toISOString(), { seconds: false }), before + minutes]);
                found.push([tickName(midnight), shown(midnight, date)]);
            }
            return found.filter(([ours, theirs]) => ours !== theirs);
        }""",
        timezone_id=zone,
    )
    assert wrong == []

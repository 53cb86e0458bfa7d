"""How soon the console can be used: from asking for the page until what is so is on the screen.

With few alerts open, and with as many as are asked for; the service must not keep people waiting
because much is wrong. A real receivers service on loopback and a real Chromium without a window.
Each load has a context of its own, so nothing is kept from the one before; the second one in the
same context shows what kept files save.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import (
    Receivers,
    Spread,
    load_average,
    machine,
    position_loss,
    ratio,
    receivers,
)
from playwright.sync_api import Browser, BrowserContext, sync_playwright

#: When the script says that somebody is known, and status and alerts are there, and drawn; the
#: frame after that is on the screen.
_READY = """() => new Promise((usable) => {
    const look = () => {
        if (!performance.getEntriesByName("riskwarden-ready").length) setTimeout(look, 1);
        else requestAnimationFrame(() => setTimeout(() => usable(performance.now()), 0));
    };
    look();
})"""
_AT_ONCE = 50
_NAME, _PASSWORD = "olga", secrets.token_urlsafe(24)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    binary = shutil.which("chromium")
    if binary is None:
        raise SystemExit("install chromium: ./dev setup")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=binary, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def logged_in(browser: Browser, url: str, name: str = _NAME) -> BrowserContext:
    """Somebody who keeps nothing of others."""
    context = browser.new_context()
    context.request.post(f"{url}/api/v1/session", data={"name": name, "password": _PASSWORD})
    return context


def with_user(service: Receivers, name: str = _NAME) -> None:
    """Make the one who logs in."""
    user = {"name": name, "roles": ["admin"], "password": _PASSWORD, "actor": name}
    service.post("/api/v1/users", user)


def open_alerts(service: Receivers) -> int:
    """How many there are."""
    found = service.get("/api/v1/alerts/open?limit=1").json()
    number: int = sum([*found["waiting"].values(), *found["acknowledged"].values()])
    return number


def load(context: BrowserContext, url: str) -> float:
    """Milliseconds until one page is usable."""
    page = context.new_page()
    page.goto(url + "/", wait_until="commit")
    took = float(page.evaluate(_READY))
    page.close()
    return took


def loads(service: Receivers, times: int, name: str = _NAME) -> tuple[list[float], list[float]]:
    """Milliseconds with nothing kept from before, and with files kept, for somebody new."""
    with_user(service, name)
    first, again = [], []
    with chromium() as browser:
        for _ in range(times):
            context = logged_in(browser, service.url, name)
            first.append(load(context, service.url))
            again.append(load(context, service.url))
            context.close()
    return first, again


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    # More in a minute than one name may ask for are none that the service answers.
    parser.add_argument("--loads", type=int, default=8)
    parser.add_argument("--open", type=int, default=5000, help="how many alerts, later")
    asked = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name, receivers(Path(name)) as service:
        few = Spread.of(report(service, asked.loads, "olga")[0])
        for begin in range(0, asked.open, _AT_ONCE):
            some = range(begin, min(begin + _AT_ONCE, asked.open))
            service.post("/api/v2/alerts", [position_loss(f"C{number}") for number in some])
        many = Spread.of(report(service, asked.loads, "pavel")[0])
    print(ratio("the medians, many open to few", many.median, few.median))


def report(service: Receivers, times: int, name: str) -> tuple[list[float], list[float]]:
    """Measure and print."""
    number = open_alerts(service)
    found = loads(service, times, name)
    first, again = (Spread.of(took) for took in found)
    print(first.shown(f"console usable, {number:,} open, nothing kept"), load_average())
    print(again.shown(f"console usable, {number:,} open, files kept"))
    return found


if __name__ == "__main__":
    main()

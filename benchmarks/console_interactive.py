"""How soon the console can be used: from asking for the page until it shows what is so.

A real receivers service on loopback and a real Chromium without a window. Each load has a context
of its own, so nothing is kept from the one before; the second one in the same context shows what
kept files save, and is the baseline.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import Receivers, Spread, machine, ratio, receivers
from playwright.sync_api import Browser, BrowserContext, sync_playwright

#: When the script says that somebody is known, and status and alerts are there.
_READY = "() => performance.getEntriesByName('riskwarden-ready')[0]?.startTime"
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


def logged_in(browser: Browser, url: str) -> BrowserContext:
    """Somebody who keeps nothing of others."""
    context = browser.new_context()
    context.request.post(f"{url}/api/v1/session", data={"name": _NAME, "password": _PASSWORD})
    return context


def with_user(service: Receivers) -> None:
    """Make the one who logs in."""
    user = {"name": _NAME, "roles": ["admin"], "password": _PASSWORD, "actor": _NAME}
    service.post("/api/v1/users", user)


def load(context: BrowserContext, url: str) -> float:
    """Milliseconds until one page is usable."""
    page = context.new_page()
    page.goto(url + "/", wait_until="commit")
    page.wait_for_function(_READY)
    took = float(page.evaluate(_READY))
    page.close()
    return took


def loads(service: Receivers, times: int) -> tuple[list[float], list[float]]:
    """Milliseconds with nothing kept from before, and with files kept."""
    with_user(service)
    first, again = [], []
    with chromium() as browser:
        for _ in range(times):
            context = logged_in(browser, service.url)
            first.append(load(context, service.url))
            again.append(load(context, service.url))
            context.close()
    return first, again


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    # More in a minute than one name may ask for are none that the service answers.
    parser.add_argument("--loads", type=int, default=8)
    times = parser.parse_args().loads
    print(machine())
    with tempfile.TemporaryDirectory() as name, receivers(Path(name)) as service:
        first, again = (Spread.of(took) for took in loads(service, times))
    print(first.shown("console usable, nothing kept"))
    print(again.shown("console usable, files kept, baseline"))
    print(ratio("the medians", first.median, again.median))


if __name__ == "__main__":
    main()

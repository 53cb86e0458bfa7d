"""Chromium without a window, as Debian packages it, driven by Playwright; axe-core in its pages.

Playwright's own browsers are not used: nothing is downloaded when a test runs.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

_AXE: Final = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
#: WCAG 2.2, levels A and AA, and what axe calls good practice.
_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESKTOP: Final = {"width": 1440, "height": 900}
PHONE: Final = {"width": 360, "height": 780}
#: Milliseconds that anything may take on a machine that is busy with other tests. Nothing waits
#: longer than it has to.
PATIENCE: Final = 45_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    assert binary, "install chromium (./dev setup does)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=binary, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Window:
    """A page in a context of its own, what went wrong in it, and who is logged in."""

    page: Page
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)
    user: str = ""

    def violations(self, *rules: str) -> list[str]:
        """What axe finds, one line each; by all its rules, or by some."""
        asked = {
            "runOnly": rules or _RULES,
            "resultTypes": ["violations"],
            "iframes": False,
            "preload": False,
        }
        found: dict[str, Any] = self.page.evaluate("how => axe.run(document, how)", asked)
        return [
            f"{one['id']}: {one['help']}: {node['target']} {node['failureSummary']}"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    def close(self) -> None:
        self.context.close()


def window(browser: Browser, *, axe: bool = True, **how: Any) -> Window:
    """Open one; ``how`` is what Playwright's contexts take."""
    assert _AXE.is_file() or not axe, "axe-core is not installed (./dev setup does it)"
    context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **how})
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    if axe:  # the page's own policy lets no script of others in
        context.add_init_script(path=_AXE)
    page = context.new_page()
    opened = Window(page, context)

    def said(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            opened.complaints.append(f"{message.type}: {message.text}")

    page.on("console", said)
    page.on("pageerror", lambda error: opened.complaints.append(f"uncaught: {error}"))
    return opened

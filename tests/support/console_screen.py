"""The console of a running stack, as somebody has it open in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from chromium import Window, chromium, window
from stack_under_test import Running

NAME, PASSWORD = "olga", "a long enough pass phrase of olga's"


@contextmanager
def console_screen(running: Running) -> Iterator[Window]:
    """Make a user, log in and look; what the page complains about is an error."""
    url = running.stack.url("receivers")
    made = httpx.post(
        f"{url}/api/v1/users",
        json={"name": NAME, "roles": ["admin"], "password": PASSWORD, "actor": "tester"},
        headers={"Authorization": f"Bearer {running.layout.token('operator_token')}"},
        trust_env=False,
    )
    assert made.status_code == 200, made.text
    with chromium() as browser:
        opened = window(browser, axe=False)
        page = opened.page
        page.goto(f"{url}/login")
        page.get_by_label("Name").fill(NAME)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{url}/")
        page.locator("#verdict:not([data-level=unknown])").wait_for()
        try:
            yield opened
            assert opened.complaints == []
        finally:
            opened.close()

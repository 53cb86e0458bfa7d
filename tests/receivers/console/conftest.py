"""A real service, Alertmanager, Prometheus and browser for all tests of the console together."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from chromium import Window, chromium, window
from figures import CALM, Figures, figures
from playwright.sync_api import Browser, Page
from real_alertmanager import Alertmanager, running_alertmanager, start_receivers

PASSWORD = "a long enough pass phrase of olga's"
NAME = "olga"
TERMS = """
[alerting.dashboard]
enabled = true
[alerting.kill_switch]
confirm_within_seconds = 60
[alerting.security.blocking]
never = []
"""


@dataclass
class Desk:
    """All of it, as somebody at the desk has it."""

    receivers: Any
    alertmanager: Alertmanager
    figures: Figures
    browser: Browser
    words: Any
    wait_until: Callable[..., Any]
    authenticators: dict[str, pyotp.TOTP] = field(default_factory=dict)

    def open(
        self, name: str = NAME, before: Callable[[Page], object] | None = None, **how: Any
    ) -> Window:
        """A window with the console in it, and somebody logged in; nobody if the name is empty."""
        self.receivers.hear_watchdog()  # however long ago the service was started
        opened = window(self.browser, **how)
        if before is not None:
            before(opened.page)
        opened.page.goto(self.receivers.url + ("/login" if name else "/"))
        if name:
            self.log_in(opened, name)
        return opened

    def log_in(self, opened: Window, name: str = NAME) -> None:
        opened.page.get_by_label("Name").fill(name)
        opened.page.get_by_label("Password").fill(PASSWORD)
        if name in self.authenticators:
            opened.page.get_by_label("Code of your authenticator").fill(self.code(name))
        opened.page.get_by_role("button", name="Log in").click()
        opened.page.wait_for_url(self.receivers.url + "/")
        opened.page.locator("#verdict:not([data-level=unknown])").wait_for()
        opened.user = name

    def somebody_careful(self) -> str:
        """A new user with an authenticator: no code of it was used for anything else yet."""
        name = f"tom{len(self.authenticators)}"
        self.add(name)
        self.enrol(name)
        return name

    def add(self, name: str, role: str = "admin") -> None:
        """Somebody who may log in."""
        body = {"name": name, "roles": [role], "password": PASSWORD, "actor": "tester"}
        made = self.receivers.call("POST", "/api/v1/users", json=body)
        assert made.status_code == 200, made.text

    def enrol(self, name: str) -> None:
        """Give somebody an authenticator. The code of half a minute ago leaves the others."""
        path, body = f"/api/v1/users/{name}/totp", {"actor": "tester"}
        uri = self.receivers.call("POST", path, json=body).json()["uri"]
        found = pyotp.parse_uri(uri)
        assert isinstance(found, pyotp.TOTP)
        self.authenticators[name] = found
        done = self.receivers.call("POST", path, json={**body, "code": self.code(name, -1)})
        assert done.status_code == 200, done.text

    def code(self, name: str, step: int = 0) -> str:
        """What an authenticator shows, or shows half a minute later or earlier."""
        return self.authenticators[name].at(datetime.now(UTC) + timedelta(seconds=30 * step))

    def fire(self, *, said: str = "", **names: Any) -> None:
        """An alert fires: Alertmanager and the receivers hear of it."""
        later = datetime.now(UTC) + timedelta(minutes=10)
        self._tell(self.words.alert(**{"ends": later, **names}), said)

    def resolve(self, *, said: str = "", **names: Any) -> None:
        self.receivers.hear_watchdog()  # without it nobody knows yet that the end is one
        self._tell(self.words.alert(firing=False, **names), said)

    def past(self, *, said: str, **names: Any) -> None:
        """An alert that is over since long: the receivers alone hear of it."""
        self.receivers.hear_watchdog()
        for firing in (True, False):
            alert = self.words.alert(firing=firing, **names)
            alert["annotations"]["description"] = said
            assert self.receivers.send("alerts", [alert]).status_code == 200

    def _tell(self, alert: dict[str, Any], said: str) -> None:
        if said:
            alert["annotations"]["description"] = said
        self.alertmanager.post(alert)
        assert self.receivers.send("alerts", [alert]).status_code == 200

    def clear(self) -> None:
        """Whatever was tripped is cleared, as if by somebody else."""
        for kill in self.receivers.status()["kill_switch"]["kills"]:
            path, body = (
                "/api/v1/system/kill-switch/clear",
                {"kill_id": kill["kill_id"], "actor": "pavel", "reason": "it was a test"},
            )
            asked = self.receivers.call("POST", path, json=body)
            code = asked.json()["confirmation"]
            done = self.receivers.call("POST", path, json={**body, "confirmation": code})
            assert done.status_code == 200, done.text

    def calm_down(self) -> None:
        """All is well again."""
        self.receivers.hear_watchdog()
        self.figures.text, self.figures.reported_at = CALM, None
        self.clear()
        # After a storm it is hundreds of them.
        self.wait_until(lambda: not self._resolved(), 90.0, "no alert is open")

    def _resolved(self) -> list[Any]:
        """Those that were still open; what Alertmanager had on its way may come once more."""
        found: list[Any] = self.receivers.call("GET", "/api/v1/alerts?state=open").json()["alerts"]
        for one in found:
            labels = {key: value for key, value in one["labels"].items() if key != "alertname"}
            began = datetime.fromisoformat(one["starts_at"])
            self.resolve(name=one["alertname"], starts=began, **labels)
        return found

    @contextmanager
    def hanging(self, *opened: Window) -> Iterator[None]:
        """The service answers nobody, and for the pages more than a minute of it goes by."""
        for one in opened:
            one.page.clock.install()
        self.receivers.process.send_signal(signal.SIGSTOP)
        try:
            for one in opened:
                one.page.clock.run_for(70_000)
            yield
        finally:
            self.receivers.process.send_signal(signal.SIGCONT)
            self.receivers.hear_watchdog()


@pytest.fixture
def console(desk: Desk) -> Iterator[Window]:
    """A window with somebody logged in; what its page complains about fails the test."""
    yield from watched(desk, NAME)


@pytest.fixture
def careful(desk: Desk) -> Iterator[Window]:
    """The same, of somebody who has an authenticator."""
    yield from watched(desk, desk.somebody_careful())


def watched(desk: Desk, name: str) -> Iterator[Window]:
    opened = desk.open(name, axe=False)
    yield opened
    complaints = list(opened.complaints)
    opened.close()
    desk.calm_down()
    assert complaints == []


@pytest.fixture(scope="module")
def desk(
    tmp_path_factory: pytest.TempPathFactory,
    service_in: Callable[[Path], Any],
    words: Any,
    wait_until: Callable[..., Any],
) -> Iterator[Desk]:
    """It starts once."""
    folder = tmp_path_factory.mktemp("desk")
    service = service_in(folder)
    service.policy.write_text(service.policy.read_text() + TERMS)
    with (
        figures(folder / "prometheus") as shown,
        running_alertmanager(service, folder / "alertmanager", wait_until) as alertmanager,
        chromium() as browser,
    ):
        service.prometheus = shown.url
        try:
            start_receivers(service, wait_until)
            ready = Desk(service, alertmanager, shown, browser, words, wait_until)
            ready.add(NAME)
            yield ready
        finally:
            service.close()

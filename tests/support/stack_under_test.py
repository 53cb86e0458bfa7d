"""A whole stack of real processes on free ports, told to replay the crash quickly."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from risk_policy import default_policy_path, load_policy
from riskwarden.stack.layout import Layout
from riskwarden.stack.processes import Processes
from riskwarden.stack.stack import Replay, Stack, find_binaries
from riskwarden.stack.story import Milestone, Story
from riskwarden.stack.watch import Watcher

#: Into the crash of 2008, fast enough for a test and slow enough for one-second scrapes.
CRASH = Replay(start="2008-01-02", end=None, days_per_second=25.0)


def eventually(condition: Callable[[], Any], seconds: float, what: str | Callable[[], str]) -> Any:
    """Wait until a condition holds and return what it returned.

    The longer that takes, the less often it is looked at: a look keeps whoever is asked busy.
    """
    began = time.monotonic()
    while not (found := condition()):
        waited = time.monotonic() - began
        if waited > seconds:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {seconds:g} s: {said}")
        signal.sigtimedwait([], min(0.05 + waited / 20, 0.25))
    return found


def edited_policy(folder: Path, *edits: tuple[str, str]) -> Path:
    """The committed policy with some of its lines changed, as a file of its own."""
    text = default_policy_path().read_text(encoding="utf-8")
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the policy"
        text = text.replace(old, new)
    path = folder / "alerting.toml"
    path.write_text(text, encoding="utf-8")
    return path


def mails_to(port: int) -> tuple[tuple[str, str], ...]:
    """Edits that enable mail, to a server on loopback."""
    head = "[alerting.channels.email]\nenabled = "
    return (
        (f"{head}false", f"{head}true"),
        ("smtp_port = 587", f"smtp_port = {port}"),
        ('smtp_host = "${SMTP_HOST}"', 'smtp_host = "127.0.0.1"'),
        ("use_tls = true", "use_tls = false"),
    )


class Running:
    """A stack, its processes and the story told of it."""

    def __init__(self, root: Path, processes: Processes, policy: Path | None = None) -> None:
        self.policy = load_policy(policy or default_policy_path())
        self.layout = Layout(root)
        self.layout.create()
        self.processes = processes
        self.stack = Stack(self.policy, self.layout, processes)
        self.story = Story(self.stack.policy)

    @property
    def database(self) -> Path:
        return self.layout.database(self.policy)

    def start(self) -> None:
        self.stack.start(find_binaries(), CRASH, lambda _: None)

    def readiness(self) -> str:
        """What the receivers say of themselves."""
        return httpx.get(f"http://{self.stack.endpoints.receivers}/readyz", timeout=10).text

    def wait_for(self, milestone: Milestone, seconds: float = 60.0) -> None:
        with Watcher(self.stack, self.story) as watcher:

            def reached() -> bool:
                watcher.look()
                return milestone in self.story.milestones

            eventually(reached, seconds, f"{milestone}; missing: {self.story.missing}")

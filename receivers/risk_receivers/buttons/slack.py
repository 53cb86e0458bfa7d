"""Does what presses of Slack buttons ask for, and tells Slack what became of it.

Slack waits three seconds for an answer to a press, Alertmanager may take longer. So the door
only takes a press in, and this does the rest; what Slack is told here it may not even hear.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
from collections import deque
from typing import Any, Final

import msgspec

from risk_policy.catalogue import metrics as m
from risk_receivers.buttons.desk import REFUSED, Desk, Outcome, Presser, Verdict
from risk_receivers.buttons.slack_payload import SlackPress, may_be_answered, with_status
from risk_receivers.channels.cutting import clean
from risk_receivers.channels.errors import DeliveryError
from risk_receivers.channels.http import Http
from risk_receivers.channels.slack import escaped
from risk_receivers.store.errors import StoreError
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import Worker

CHANNEL: Final = "slack"
#: Presses that may wait, and people that are to be told; more is nobody's honest wish.
_MOST_WAITING: Final = 50
_log = logging.getLogger(__name__)


class SlackButtons(Worker):
    """Takes presses one after the other."""

    def __init__(
        self,
        desk: Desk,
        telemetry: Telemetry,
        *,
        webhook_url: str,
        signing_secret: str,
        timeout_seconds: float,
    ) -> None:
        super().__init__("slack-buttons", telemetry)
        self._desk = desk
        self._webhook_url = webhook_url
        self._secrets = (webhook_url, signing_secret)
        self._timeout_seconds = timeout_seconds
        self._waiting: queue.Queue[tuple[SlackPress, bool]] = queue.Queue(_MOST_WAITING)
        self._untold: deque[tuple[SlackPress, Outcome]] = deque(maxlen=_MOST_WAITING)
        self._telling: Http | None = None
        telemetry.set(m.BUTTONS_HEARD, CHANNEL, value=1)
        for verdict in Verdict:
            telemetry.count(m.BUTTON_PRESSES, CHANNEL, verdict.value, by=0)

    def offer(self, press: SlackPress, *, allowed: bool) -> bool:
        """Take a press in, of somebody who may or may not; whether there is room. Never waits."""
        try:
            self._waiting.put_nowait((press, allowed))
        except queue.Full:
            return False
        self.wake()
        return True

    def stop(self) -> None:
        """End, and leave Slack waiting if need be."""
        self._stopping.set()
        if (telling := self._telling) is not None:
            telling.give_up()
        super().stop()
        if left := self._waiting.qsize():
            _log.warning("the service stops, and %d presses in Slack were not taken", left)

    def round(self) -> float | None:
        """Take what waits; of those who are to be told, the next only once nothing waits."""
        while not self._stopping.is_set():
            self._take_waiting()
            if not self._untold:
                break
            self._tell(*self._untold.popleft())
        return None

    def _take_waiting(self) -> None:
        while not self._stopping.is_set():
            try:
                press, allowed = self._waiting.get_nowait()
            except queue.Empty:
                return
            outcome = self._outcome(press) if allowed else REFUSED
            self._telemetry.count(m.BUTTON_PRESSES, CHANNEL, outcome.verdict.value)
            self._untold.append((press, outcome))

    def _outcome(self, press: SlackPress) -> Outcome:
        presser = Presser(f"{CHANNEL}:{press.user}", press.name)
        try:
            return self._desk.take(press.data, presser, shown=press.message.buttons)
        except (StoreError, OSError, sqlite3.Error) as error:
            _log.error("a press in Slack is not on record: %s", error)
            said = "The store cannot record it now: look with riskwarden acks, or try again."
        except Exception:  # noqa: BLE001 - those behind must not wait, whatever it is
            _log.exception("a press could not be taken")
            self._telemetry.unexpected()
            said = "This went wrong: see the log of the receivers."
        return Outcome(Verdict.FAILED, said)

    def _tell(self, press: SlackPress, outcome: Outcome) -> None:
        if not may_be_answered(press.response_url, self._webhook_url):
            _log.warning("a press in Slack came with a response_url that is not Slack's")
            return
        for content in _answers(press, outcome):
            if self._posted(press.response_url, content):
                return

    def _posted(self, url: str, content: dict[str, Any]) -> bool:
        self._telling = http = Http("Slack", self._timeout_seconds, [url, *self._secrets])
        if self._stopping.is_set():
            return False
        try:
            answer = http.send(
                "POST",
                url,
                headers={"Content-Type": "application/json; charset=utf-8"},
                content=msgspec.json.encode(content),
            )
        except DeliveryError as error:
            _log.info("who pressed is not told: %s", error)
            return False
        if not answer.is_fine:
            _log.info("who pressed is not told: %s", http.failure(answer, whole_channel=False))
        return answer.is_fine


def _answers(press: SlackPress, outcome: Outcome) -> list[dict[str, Any]]:
    """Ways to tell what became of a press, best first."""
    if outcome.status is None:
        return [_aside(outcome.said, "ephemeral")]
    replaced = with_status(press.message, outcome.status, outcome.buttons)
    instead = _aside(outcome.status, "in_channel")
    return [instead] if replaced is None else [replaced, instead]


def _aside(text: str, to: str) -> dict[str, Any]:
    return {"response_type": to, "replace_original": False, "text": escaped(clean(text))}

"""Does what presses of Slack buttons ask for, and tells Slack what became of it.

Slack waits three seconds for an answer to a press, Alertmanager may take longer. So the door
only keeps a press, and this does the rest; what Slack is told here it may not even hear. What a
service that died had kept is done at the next start, unless that is much later.
"""

from __future__ import annotations

import logging
import queue
from collections import deque
from collections.abc import Collection
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

import msgspec

from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_receivers.buttons.desk import REFUSED, Desk, Outcome, Presser, Verdict
from risk_receivers.buttons.slack_payload import SlackPress, may_be_answered, with_status
from risk_receivers.buttons.slack_presses import STILL_MEANT, KeptPress, SlackPresses, forget
from risk_receivers.channels.cutting import clean
from risk_receivers.channels.errors import DeliveryError
from risk_receivers.channels.http import Http
from risk_receivers.channels.slack import escaped
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.store.errors import StoreError
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import Worker

CHANNEL: Final = "slack"
#: Presses that may wait, and people that are to be told; more is nobody's honest wish.
_MOST_WAITING: Final = 50
_NOT_RECORDED: Final = "The store cannot record it now: look with riskwarden acks, or try again."
_log = logging.getLogger(__name__)


class SlackButtons(Worker):
    """Takes presses one after the other."""

    def __init__(
        self,
        desk: Desk,
        presses: SlackPresses,
        telemetry: Telemetry,
        *,
        webhook_url: str,
        signing_secret: str,
        timeout_seconds: float,
    ) -> None:
        super().__init__("slack-buttons", telemetry)
        self._desk = desk
        self._presses = presses
        self._left = _left_by_others(presses)  # before any of this service's own
        self._webhook_url = webhook_url
        self._secrets = (webhook_url, signing_secret)
        self._timeout_seconds = timeout_seconds
        self._waiting: queue.SimpleQueue[tuple[SlackPress, int]] = queue.SimpleQueue()
        self._untold: deque[tuple[SlackPress, Outcome]] = deque(maxlen=_MOST_WAITING)
        self._telling: Http | None = None
        telemetry.set(m.BUTTONS_HEARD, CHANNEL, value=1)
        for verdict in Verdict:
            telemetry.count(m.BUTTON_PRESSES, CHANNEL, verdict.value, by=0)

    @property
    def has_room(self) -> bool:
        """Whether not too much waits already."""
        return self._waiting.qsize() + len(self._untold) < _MOST_WAITING

    def refuse(self, press: SlackPress) -> None:
        """Tell somebody that they may not. Never waits."""
        self._telemetry.count(m.BUTTON_PRESSES, CHANNEL, REFUSED.verdict.value)
        self._untold.append((press, REFUSED))
        self.wake()

    def offer(self, press: SlackPress) -> Future[int]:
        """Take a press in; it is done once it is kept, however late that may be. Never waits.

        Raises StoreError.
        """
        try:
            kept = self._presses.keep(press)
        except StoreError:
            self._not_kept(press)
            raise
        kept.add_done_callback(lambda done: self._kept(press, done))
        return kept

    def _kept(self, press: SlackPress, done: Future[int]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._not_kept(press)
        else:
            self._waiting.put((press, done.result()))
            self.wake()

    def _not_kept(self, press: SlackPress) -> None:
        self._telemetry.count(m.BUTTON_PRESSES, CHANNEL, Verdict.FAILED.value)
        self._untold.append((press, Outcome(Verdict.FAILED, _NOT_RECORDED)))
        self.wake()

    def stop(self) -> None:
        """End, and leave Slack waiting if need be."""
        self._stopping.set()
        if (telling := self._telling) is not None:
            telling.give_up()
        super().stop()
        if left := self._waiting.qsize():
            _log.warning("the service stops; %d presses in Slack are left for its start", left)

    def round(self) -> float | None:
        """Take what waits; of those who are to be told, the next only once nothing waits."""
        self._do_left()
        while not self._stopping.is_set():
            self._take_waiting()
            if not self._untold:
                break
            self._tell(*self._untold.popleft())
        return None

    def _take_waiting(self) -> None:
        while not self._stopping.is_set():
            try:
                press, number = self._waiting.get_nowait()
            except queue.Empty:
                return
            presser = Presser(f"{CHANNEL}:{press.user}", press.name)
            outcome = self._outcome(number, presser, press.data, press.message.buttons)
            self._untold.append((press, outcome))

    def _do_left(self) -> None:
        """Do what a service before this one had taken in, once."""
        while self._left and not self._stopping.is_set():
            one = self._left.popleft()
            presser = Presser(f"{CHANNEL}:{one.user}", one.name)
            if utc_now() - one.at > STILL_MEANT:
                _log.warning("a press in Slack by %s is too old to be done", presser.author)
                self._forget(one.number)
                continue
            outcome = self._outcome(one.number, presser, one.data, one.shown)
            _log.warning("a press in Slack by %s was left: %s", presser.author, outcome.said)

    def _outcome(self, number: int, presser: Presser, data: str, shown: Collection[str]) -> Outcome:
        """What becomes of a press, which is forgotten with what follows from it on record."""
        outcome = self._taken(number, presser, data, shown)
        self._forget(number)  # also what changed nothing, or it would come again
        self._telemetry.count(m.BUTTON_PRESSES, CHANNEL, outcome.verdict.value)
        return outcome

    def _forget(self, number: int) -> None:
        try:
            self._presses.done(number)
        except StoreError as error:
            _log.warning("a press in Slack that is done is left: %s", error)

    def _taken(self, number: int, presser: Presser, data: str, shown: Collection[str]) -> Outcome:
        try:
            return self._desk.take(data, presser, shown=shown, also=partial(forget, number=number))
        except (StoreError, OSError, *DATABASE_ERRORS) as error:
            _log.error("a press in Slack is not on record: %s", error)
            said = _NOT_RECORDED
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


def _left_by_others(presses: SlackPresses) -> deque[KeptPress]:
    try:
        return deque(presses.left())
    except (OSError, *DATABASE_ERRORS) as error:  # no reason not to take new ones
        _log.error("presses in Slack that were left cannot be looked at: %s", error)
        return deque()


def _answers(press: SlackPress, outcome: Outcome) -> list[dict[str, Any]]:
    """Ways to tell what became of a press, best first."""
    if outcome.status is None:
        return [_aside(outcome.said, "ephemeral")]
    replaced = with_status(press.message, outcome.status, outcome.buttons)
    instead = _aside(outcome.status, "in_channel")
    return [instead] if replaced is None else [replaced, instead]


def _aside(text: str, to: str) -> dict[str, Any]:
    return {"response_type": to, "replace_original": False, "text": escaped(clean(text))}

"""Posts breaches from a thread of its own, again and again until the receivers have them.

Invariants:

* :meth:`FastLane.see` waits for no network and no disk; only when a breach begins does it make
  way for the thread that posts it, for some milliseconds at the most;
* a breach that counted is posted until the receivers have acknowledged it, even if it is over by
  then; what it says then is when that was;
* an acknowledged one is repeated while it lasts, as Prometheus repeats it, so that it does not
  expire while Prometheus is dead. That it is over the lane does not say: Prometheus does, and
  what nobody repeats any more expires;
* the Watchdog is Prometheus's alone: with Prometheus dead, the gate closes whatever is posted here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from risk_exporter.errors import StartError
from risk_exporter.fast_lane.alert import body, document
from risk_exporter.fast_lane.decision import Figures, Key, Watch, decide, kill_tiers
from risk_exporter.fast_lane.posting import Door, Outcome
from risk_policy import Policy
from risk_policy.clock import utc_now
from risk_policy.contracts.limit_alert import REPEATS_UNTIL_END, repeat_seconds
from risk_policy.errors import UnreadableVariableError, UnsetVariableError

#: After a first failure; doubled each time, up to the pace at which alerts are repeated. A
#: service that is being restarted is back within seconds, and every try is one small request.
_FIRST_RETRY_SECONDS: Final = 0.05
#: An interpreter lets a thread that computes go on for 5 ms although another one is waiting. So
#: long the caller stands back instead, until the request is out.
_MAKE_WAY_SECONDS: Final = 0.005

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Owed:
    """A breach that counted.

    Attributes:
        due: when it is posted next, on the monotonic clock.
        seen_at: when a snapshot last showed it.
        over_at: when it was over, if it was before the receivers had it.
    """

    watch: Watch
    starts_at: datetime
    seen_at: datetime
    due: float = 0.0
    failures: int = 0
    is_acknowledged: bool = False
    over_at: datetime | None = None


class FastLane:
    """Watches what an exporter measures, and posts what trips the kill switch.

    To be given to a :class:`risk_exporter.RiskExporter`, which starts and stops it.

    Args:
        policy: thresholds, confirmation, and the pace of repeats.
        token: of the alert feed.
        receivers: their URL; the policy's ``alerting.endpoints.receivers`` unless given.

    Raises:
        StartError: the URL or the token cannot be used.
    """

    def __init__(
        self,
        policy: Policy,
        token: str,
        receivers: str | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        alerting = policy.alerting
        if not (token and token.isascii() and token.isprintable()):
            raise StartError("the token of the alert feed is empty or cannot be sent")
        self._policy = policy
        self._token = token
        self._door = Door.parse(receivers or f"http://{alerting.endpoints.receivers}")
        self._clock = clock
        self._tiers = kill_tiers(policy)
        self._confirm_snapshots = alerting.fast_lane.confirm_snapshots
        self._timeout_seconds = alerting.prometheus.feed_timeout_seconds
        self._repeat_seconds = repeat_seconds(policy)
        self._ends_after = timedelta(seconds=REPEATS_UNTIL_END * self._repeat_seconds)
        self._held_for = timedelta(minutes=alerting.latch.hold_missing_minutes)
        self._changed = threading.Condition()
        self._watched: dict[str, dict[Key, Watch]] = {}
        self._owed: dict[tuple[str, Key], _Owed] = {}
        self._outcomes: Counter[Outcome] = Counter()
        self._sent = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    @classmethod
    def from_policy(cls, policy: Policy, receivers: str | None = None) -> Self | None:
        """The lane that a policy asks for; None without one, or without the token it needs.

        Raises:
            StartError: the receivers' URL cannot be used.
            UnreadableVariableError: the token should be somewhere, and is not to be had there.
            UnfitTokenError: the token cannot be sent.
        """
        if not policy.alerting.fast_lane.enabled:
            return None
        secret = policy.alerting.auth.alert_feed_token
        try:
            return cls(policy, secret.reveal_token(), receivers)
        except UnreadableVariableError:
            raise  # somebody meant it to be there, and counts on the lane
        except UnsetVariableError:
            return None

    @staticmethod
    def absence(policy: Policy) -> str:
        """What it means that there is none, and how to get one; for whoever starts an exporter."""
        secret = policy.alerting.auth.alert_feed_token
        remedy = f"set {secret}" if policy.alerting.fast_lane.enabled else "the policy has it so"
        return f"no fast lane ({remedy}): the kill switch trips once Prometheus has seen a breach"

    # -- what is asked of it ---------------------------------------------------------------

    def see(self, account: str, figures: Figures, now: datetime, taken_at: datetime) -> None:
        """Take in what a snapshot of an account has led to, which was taken at that time."""
        before = self._watched.get(account, {})
        watched = decide(self._tiers, self._confirm_snapshots, figures, before, now, taken_at)
        if not (watched or before):
            return
        has_begun = False
        with self._changed:
            self._watched[account] = watched
            for key in before:
                if key not in watched:
                    self._is_over((account, key), now)
            for key, watch in watched.items():
                if watch.fired_at is not None:
                    has_begun |= self._lasts((account, key), watch, watch.fired_at, now)
        if has_begun and self._thread is not None:
            self._sent.wait(_MAKE_WAY_SECONDS)

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        """What became of all attempts so far."""
        with self._changed:
            return dict(self._outcomes)

    @property
    def unacknowledged(self) -> int:
        """How many breaches the receivers do not have yet."""
        with self._changed:
            return sum(not owed.is_acknowledged for owed in self._owed.values())

    def start(self, unexpected: Callable[[Exception], None]) -> None:
        """Begin to post; the function is told of what nobody had planned for."""
        self._stopping = False
        self._thread = threading.Thread(
            target=self._run, args=(unexpected,), name="fast-lane", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop, after one more chance for what the receivers do not have."""
        if self._thread is None:
            return
        with self._changed:
            for owed in self._owed.values():
                owed.due = owed.due if owed.is_acknowledged else 0.0
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: all(owed.is_acknowledged for owed in self._owed.values()),
                self._timeout_seconds if self._owed else 0,
            )
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()
        self._thread = None

    # -- what is owed ----------------------------------------------------------------------

    def _lasts(
        self, name: tuple[str, Key], watch: Watch, fired_at: datetime, now: datetime
    ) -> bool:
        """Keep what is owed up to date; whether it is news."""
        owed = self._owed.get(name)
        if owed is None:
            self._owed[name] = _Owed(watch, fired_at, now)
            self._sent.clear()
            self._changed.notify_all()
            return True
        owed.watch, owed.seen_at, owed.over_at = watch, now, None
        return False

    def _is_over(self, name: tuple[str, Key], now: datetime) -> None:
        owed = self._owed.get(name)
        if owed is None:
            return
        if owed.is_acknowledged:
            del self._owed[name]
        elif owed.over_at is None:
            owed.over_at = now

    def _due(self) -> dict[tuple[str, Key], _Owed]:
        now = time.monotonic()
        oldest = self._clock() - self._held_for
        for name, owed in list(self._owed.items()):
            # As long as Prometheus holds what nobody reports any more, and no longer.
            if owed.is_acknowledged and owed.seen_at < oldest:
                del self._owed[name]
        return {name: owed for name, owed in self._owed.items() if owed.due <= now}

    def _pause(self) -> float | None:
        """Seconds until something is due; None if nothing is owed."""
        due = min((owed.due for owed in self._owed.values()), default=None)
        return None if due is None else max(due - time.monotonic(), 0.0)

    # -- the thread ------------------------------------------------------------------------

    def _run(self, unexpected: Callable[[Exception], None]) -> None:
        while True:
            try:
                if not self._round():
                    return
            except Exception as error:  # noqa: BLE001 - a mistake must not end what trips the kill
                _log.exception("fast lane: going on after an error that nobody had planned for")
                unexpected(error)
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, self._repeat_seconds)

    def _round(self) -> bool:
        """Post what is due, or wait for it; False to end."""
        with self._changed:
            due = self._due()
            if not due and not self._stopping:
                self._changed.wait(self._pause())
                due = self._due()
            if self._stopping:
                return False
            if not due:
                return True
            now = self._clock()
            ended = {name: owed.over_at for name, owed in due.items()}
            request = body(
                document(
                    self._policy,
                    owed.watch,
                    owed.starts_at,
                    owed.over_at or now + self._ends_after,
                )
                for owed in due.values()
            )
        outcome, words = self._door.post(
            request, self._token, self._timeout_seconds, self._sent.set
        )
        self._sent.set()  # or never will be: nobody need wait for it
        with self._changed:
            self._outcomes[outcome] += 1
            for name, owed in due.items():
                if self._owed.get(name) is not owed:
                    continue
                if outcome is Outcome.ACKNOWLEDGED:
                    self._has_arrived(name, owed, ended[name])
                else:
                    self._has_failed(owed, words)
            self._changed.notify_all()
        return True

    def _has_arrived(self, name: tuple[str, Key], owed: _Owed, told_end: datetime | None) -> None:
        if owed.over_at is not None:
            del self._owed[name]  # it was over, or is by now; Prometheus tells
            return
        if not owed.is_acknowledged:
            _log.critical("%s: the receivers have it on record", " ".join(name[1]))
        owed.failures = 0
        # What was told as over and began again meanwhile is news.
        owed.starts_at = (told_end and owed.watch.fired_at) or owed.starts_at
        owed.is_acknowledged = told_end is None
        owed.due = time.monotonic() + (self._repeat_seconds if owed.is_acknowledged else 0.0)

    def _has_failed(self, owed: _Owed, words: str) -> None:
        owed.failures += 1
        pause = min(_FIRST_RETRY_SECONDS * 2.0 ** min(owed.failures - 1, 30), self._repeat_seconds)
        owed.due = time.monotonic() + pause
        if owed.failures == 1:
            _log.error("%s: the receivers %s; trying again", owed.watch.tier.spec.name, words)

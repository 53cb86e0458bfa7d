"""A channel whose every success and failure is noted, and that is seen to hang."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from risk_policy.clock import utc_now
from risk_receivers.channels import Channel
from risk_receivers.channels.errors import (
    DeliveryError,
    PartlyRefusedError,
    RefusedDeliveryError,
    TemporaryDeliveryError,
)
from risk_receivers.channels.message import Owed
from risk_receivers.channels.standing import Standing

#: How often an idle channel is looked at: often enough to find it dead before it is needed, too
#: seldom for anybody who counts requests.
_CHECK_SECONDS: Final = 300.0
#: How often one is looked at that fails.
_RECHECK_SECONDS: Final = 30.0
#: Nothing that a channel is asked takes longer, unless it hangs: requests have their own bounds.
_LONGEST_SECONDS: Final = 120.0
_log = logging.getLogger(__name__)


class Attended:
    """One channel. Its courier's thread uses it; others may ask how it stands."""

    def __init__(
        self,
        name: str,
        channel: Channel,
        longest_seconds: float = _LONGEST_SECONDS,
        broke: Callable[[], None] = lambda: None,
    ) -> None:
        """``broke`` is called whenever it begins to fail."""
        self._name = name
        self._broke = broke
        self._channel = channel
        self._longest_seconds = longest_seconds
        self._standing = Standing()
        self._busy_since: float | None = None
        self._check_at = 0.0

    @property
    def standing(self) -> Standing:
        """As of now."""
        standing, since = self._standing, self._busy_since
        if since is None or (busy := time.monotonic() - since) < self._longest_seconds:
            return standing
        return replace(standing, up=False, error=f"hangs: it has been busy for {busy:.0f} s")

    def deliver(self, owed: Owed, patience_seconds: float = 0.0) -> None:
        """Hand one message over. Raises what the channel does.

        A channel that asks for no longer a pause than the message can wait works.
        """
        try:
            with self._busy():
                self._channel.deliver(owed)
        except PartlyRefusedError as error:
            self._standing = self._standing.delivered_to_some(utc_now(), str(error))
            raise
        except (OSError, DeliveryError) as error:
            if _is_about_the_channel(error, patience_seconds):
                self._note_break()
                self._standing = self._standing.failed(utc_now(), str(error))
            raise
        self._standing = self._standing.delivered(utc_now())
        self._check_at = time.monotonic() + _CHECK_SECONDS

    def look_after(self) -> float:
        """See whether it would take a message, if it is time; in how many seconds to look again.

        Raises what no channel should, and nothing else.
        """
        if time.monotonic() >= self._check_at:
            self._check_at = time.monotonic() + _RECHECK_SECONDS
            try:
                with self._busy():
                    self._channel.check()
            except (OSError, DeliveryError) as error:
                if self._standing.up is not False:
                    _log.error("channel %s would not deliver: %s", self._name, error)
                self._note_break()
                self._standing = self._standing.check_failed(utc_now(), str(error))
            else:
                self._standing = self._standing.check_passed()
                if self._standing.up:
                    self._check_at = time.monotonic() + _CHECK_SECONDS
        return max(0.0, self._check_at - time.monotonic())

    def close(self) -> None:
        """Let go of it."""
        self._channel.close()

    def _note_break(self) -> None:
        if self._standing.up is not False:
            self._broke()

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self._busy_since = time.monotonic()
        try:
            yield
        finally:
            self._busy_since = None


def _is_about_the_channel(error: OSError | DeliveryError, patience_seconds: float) -> bool:
    match error:
        case RefusedDeliveryError():
            return error.whole_channel
        case TemporaryDeliveryError():
            return not error.is_mere_wait(patience_seconds)
        case _:
            return True

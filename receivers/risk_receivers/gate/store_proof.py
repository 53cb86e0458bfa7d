"""The proof that a trip could be recorded: the store is asked again and again, and has to answer.

While another program holds the database, or the disk does not answer, the store has not failed: it
may come back. But nothing can be recorded meanwhile, so the gate's lease is not renewed until a
work that asks for nothing has been committed. It stands in line behind all other works, so what
holds them up holds it up too; and where nothing is waiting, it still finds out.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from risk_policy.contracts.gate import now_ns
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Transaction, Writer

_NANOSECONDS: Final = 1_000_000_000
#: The part of a lease that a commit may take and no renewal be missed. A large batch on a slow disk
#: takes some hundred milliseconds, and what is asked for meanwhile waits as long again.
_PATIENCE: Final = 1 / 3


class StoreProof:
    """Since when nothing could be recorded. One thread asks, any may look."""

    def __init__(
        self, writer: Writer, lease_seconds: float, clock: Callable[[], int] = now_ns
    ) -> None:
        self._writer = writer
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._asked: Future[None] | None = None
        self._waiting_since_ns: int | None = None

    def ask(self) -> None:
        """Ask, unless the last question is still waiting for its answer."""
        if self._asked is not None and not self._asked.done():
            return
        if self._waiting_seconds == 0:
            self._waiting_since_ns = self._clock()
        try:
            self._asked = self._writer.submit(_nothing)
        except StoreError:  # asked again next time; until then it counts as waiting
            self._asked = None

    @property
    def complaint(self) -> str:
        """Why a trip might not be recorded; empty if it would be."""
        if not self._writer.takes_work:
            return "the store does not accept durable writes"
        if (waiting := self._waiting_seconds) > _PATIENCE * self._lease_seconds:
            return f"the store could record nothing for {waiting:.1f} s"
        return ""

    @property
    def is_given(self) -> bool:
        """False once a whole lease has passed without: then requests are being refused."""
        return self._writer.takes_work and self._waiting_seconds <= self._lease_seconds

    @property
    def _waiting_seconds(self) -> float:
        """Since the oldest question that no commit has answered; one that was refused counts on."""
        asked, since = self._asked, self._waiting_since_ns
        if since is None:
            return 0.0
        if asked is not None and asked.done() and asked.exception() is None:
            return 0.0
        return (self._clock() - since) / _NANOSECONDS


def _nothing(transaction: Transaction) -> None:
    """Nothing is written, so no disk is kept busy; the locks are taken all the same."""

"""Something that is kept in memory follows what the store has recorded, however late that comes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Final, TypeVar

from risk_receivers.store.errors import StoreTimeoutError
from risk_receivers.store.writer import Transaction, Writer

T = TypeVar("T")
#: How long somebody waits for the store.
PATIENCE_SECONDS: Final = 10.0


def on_record(
    writer: Writer,
    work: Callable[[Transaction], T],
    follow: Callable[[T], None],
    patience_seconds: float = PATIENCE_SECONDS,
) -> T:
    """What was recorded, once ``follow`` was told. A commit that comes too late is told, too.

    Raises what the work raised, or StoreError.
    """
    recording = writer.submit(work)
    answer: Future[T] = Future()

    def follow_up(done: Future[T]) -> None:
        try:
            follow(recorded := done.result())
            answer.set_result(recorded)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - belongs to who waits
            answer.set_exception(error)

    recording.add_done_callback(follow_up)
    try:
        return answer.result(patience_seconds)
    except TimeoutError:
        if answer.done():
            return answer.result()
        if recording.cancel():
            raise StoreTimeoutError("the store is too slow; nothing was recorded") from None
        raise StoreTimeoutError("the store is too slow; it may be recorded yet") from None

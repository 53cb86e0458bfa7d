"""A request waits for the store, and no longer than it may."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import pytest

from risk_receivers.doors.door import recorded
from risk_receivers.store.errors import StoreError

PATIENCE_SECONDS = 30.0


def test_it_gets_what_another_thread_has_recorded_or_why_that_failed() -> None:
    good: Future[str] = Future()
    bad: Future[str] = Future()

    def writer() -> None:
        good.set_result("seq 1")
        bad.set_exception(StoreError("the disk is full"))

    async def ask() -> None:
        threading.Thread(target=writer).start()
        assert await recorded(good, PATIENCE_SECONDS) == "seq 1"
        with pytest.raises(StoreError, match="the disk is full"):
            await recorded(bad, PATIENCE_SECONDS)
        assert await recorded(good, PATIENCE_SECONDS) == "seq 1", "it is there already"

    asyncio.run(ask())


def test_whoever_stops_waiting_withdraws_nothing_and_may_wait_again() -> None:
    slow: Future[str] = Future()

    async def ask() -> str:
        with pytest.raises(TimeoutError):
            await recorded(slow, 0.01)
        impatient = asyncio.create_task(recorded(slow, PATIENCE_SECONDS))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        assert slow.set_running_or_notify_cancel(), "it goes on"
        slow.set_result("late")
        return await recorded(slow, PATIENCE_SECONDS)

    assert asyncio.run(ask()) == "late"


def test_a_record_that_comes_after_the_loop_has_ended_harms_nobody() -> None:
    slow: Future[str] = Future()

    async def ask() -> None:
        with pytest.raises(TimeoutError):
            await recorded(slow, 0.01)

    asyncio.run(ask())
    slow.set_result("late")
    assert slow.result() == "late"

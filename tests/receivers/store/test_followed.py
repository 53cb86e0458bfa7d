"""Whoever waits for a record hears of it once what follows from it is done."""

from __future__ import annotations

from concurrent.futures import InvalidStateError

import pytest

from risk_receivers.store.errors import StoreError
from risk_receivers.store.followed import Followed


def test_what_follows_is_done_before_anybody_is_woken() -> None:
    happened: list[str] = []
    future: Followed[str] = Followed(lambda result: happened.append(f"gate closed for {result}"))
    future.add_done_callback(lambda done: happened.append(f"answered {done.result()}"))
    assert future.set_running_or_notify_cancel()
    future.set_result("seq 1")
    assert happened == ["gate closed for seq 1", "answered seq 1"]


def test_what_follows_from_a_failure_is_done_first_too() -> None:
    happened: list[str] = []
    future: Followed[str] = Followed(
        lambda _: happened.append("recorded"), lambda error: happened.append(f"shut: {error}")
    )
    future.add_done_callback(lambda done: happened.append(f"answered {done.exception()}"))
    future.set_exception(StoreError("disk full"))
    assert happened == ["shut: disk full", "answered disk full"]


def test_what_goes_wrong_afterwards_is_the_answer() -> None:
    def refuse(_: str) -> None:
        raise LookupError("it would loosen")

    def worse(_: BaseException | None) -> None:
        raise OSError("the spool is full")

    recorded: Followed[str] = Followed(refuse)
    recorded.set_result("seq 1")
    with pytest.raises(LookupError, match="it would loosen"):
        recorded.result(0)
    failed: Followed[str] = Followed(refuse, worse)
    failed.set_exception(StoreError("disk full"))
    with pytest.raises(OSError, match="the spool is full"):
        failed.result(0)


def test_it_is_answered_once_and_nobody_withdraws_it() -> None:
    happened: list[str] = []
    future: Followed[str] = Followed(happened.append, lambda _: happened.append("failed"))
    assert not future.cancel()
    future.set_result("seq 1")
    with pytest.raises(InvalidStateError):
        future.set_exception(StoreError("the writer stopped"))
    with pytest.raises(InvalidStateError):
        future.set_result("seq 2")
    assert happened == ["seq 1"]
    assert future.result(0) == "seq 1"

"""Hashing: by the RFC's parameters, one at a time, and few that wait."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
from argon2 import Parameters, Type, extract_parameters

from risk_receivers.users.hasher import PARAMETERS, BusyError, Hasher, Verdict

LIGHT = Parameters(
    type=Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=64, parallelism=1
)
PATIENCE = 30


@contextmanager
def hashing(parameters: Parameters = LIGHT, most_waiting: int = 8) -> Iterator[Hasher]:
    hasher = Hasher(parameters, most_waiting)
    try:
        yield hasher
    finally:
        hasher.close()


def test_a_hash_is_what_the_rfc_recommends_and_never_the_same_twice() -> None:
    with hashing(PARAMETERS) as hasher:
        kept = hasher.hash("a slow train").result(PATIENCE)
        assert hasher.verify(kept, "a slow train").result(PATIENCE) == Verdict(good=True)
    found = extract_parameters(kept)
    assert found.type is Type.ID
    assert (found.memory_cost, found.time_cost, found.parallelism) == (65_536, 3, 4)
    assert (found.salt_len, found.hash_len) == (16, 32), "128 and 256 bits"
    with hashing() as hasher:
        assert len({hasher.hash("twice").result(PATIENCE) for _ in range(4)}) == 4


def test_a_password_is_right_however_it_was_typed_and_nothing_else_is() -> None:
    with hashing() as hasher:
        kept = hasher.hash("Zürich im Winter").result(PATIENCE)
        for password, good in {
            "Zürich im Winter": True,
            "Zu\u0308rich im Winter": True,  # the same, in two characters
            "Zürich im winter": False,
            "": False,
        }.items():
            assert hasher.verify(kept, password).result(PATIENCE).good is good
        for nobodys in (None, "", "$argon2id$v=19$m=64,t=1,p=1$x$y", "not a hash"):
            assert not hasher.verify(nobodys, "Zürich im Winter").result(PATIENCE).good


def test_what_was_hashed_by_other_parameters_is_hashed_anew() -> None:
    with hashing() as hasher:
        kept = hasher.hash("a slow train").result(PATIENCE)
    with hashing(Parameters(Type.ID, 19, 16, 32, 2, 64, 1)) as hasher:
        assert hasher.verify(kept, "a fast train").result(PATIENCE) == Verdict(good=False)
        verdict = hasher.verify(kept, "a slow train").result(PATIENCE)
        assert verdict.good
        assert verdict.rehashed is not None
        assert extract_parameters(verdict.rehashed).time_cost == 2
        again = hasher.verify(verdict.rehashed, "a slow train").result(PATIENCE)
        assert again == Verdict(good=True)


def test_few_may_wait_and_who_comes_then_is_told_so() -> None:
    with hashing(most_waiting=2) as hasher:
        held = threading.Event()
        hasher._thread.submit(held.wait)
        waiting: list[Future[Any]] = [hasher.hash("one"), hasher.verify(None, "two")]
        for _ in range(3):
            with pytest.raises(BusyError):
                hasher.hash("three")
        held.set()
        for one in waiting:
            one.result(PATIENCE)
        assert hasher.hash("four").result(PATIENCE)


def test_strangers_leave_room_for_those_who_come_from_where_they_always_do() -> None:
    with hashing(most_waiting=4) as hasher:
        held = threading.Event()
        hasher._thread.submit(held.wait)
        waiting = [hasher.verify(None, "x", is_stranger=True) for _ in range(2)]
        with pytest.raises(BusyError):
            hasher.verify(None, "x", is_stranger=True)
        waiting += [hasher.verify(None, "x") for _ in range(2)]
        with pytest.raises(BusyError):
            hasher.verify(None, "x")
        held.set()
        for one in waiting:
            one.result(PATIENCE)
        for _ in range(2):  # a refusal takes no place
            waiting = [hasher.verify(None, "x", is_stranger=True) for _ in range(2)]
            assert not any(one.result(PATIENCE).good for one in waiting)


def test_it_makes_way_for_everything_else() -> None:
    with hashing() as hasher:

        def niceness() -> int:
            return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

        assert hasher._thread.submit(niceness).result(PATIENCE) >= min(niceness() + 5, 10)


def test_after_the_end_nothing_is_hashed() -> None:
    with hashing() as hasher:
        hasher.hash("one").result(PATIENCE)
    with pytest.raises(BusyError):
        hasher.hash("two")

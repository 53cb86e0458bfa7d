"""What every door takes and gives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct

from risk_receivers.body import Body, BodyReader, Receive
from risk_receivers.problem import problem_of
from risk_receivers.recorder import ACT_AFTER_SECONDS
from risk_receivers.sessions.credentials import Credentials

T = TypeVar("T")
#: Bodies larger than this are read by a thread: the event loop has other requests to answer.
_LARGE_BYTES: Final = 256 * 1024


class Reply(Struct, frozen=True):
    """An answer."""

    code: int
    content: dict[str, Any]
    retry_after_seconds: int | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


def problem(
    code: int,
    detail: str,
    retry_after_seconds: int | None = None,
    *,
    more: Mapping[str, Any] | None = None,
) -> Reply:
    """What cannot be done, and why."""
    return Reply(code, problem_of(code, detail, more), retry_after_seconds)


class Door(Protocol):
    """Answers ``POST`` on one path."""

    @property
    def takes_parts(self) -> bool:
        """Whether it wants what has arrived of a body that hit a bound."""

    async def take(self, body: Body) -> Reply:
        """Answer a request whose body has come to its end, or to a bound."""

    def answered(self, code: int) -> None:
        """A request was answered, or refused before it came in."""


class WholeDoor:
    """What a door has that takes whole bodies only, and keeps what became of each on record."""

    @property
    def takes_parts(self) -> bool:
        """Half of one means nothing."""
        return False

    def answered(self, code: int) -> None:
        """What became of it is on record."""


class GetDoor(Protocol):
    """Answers ``GET`` on one path, and may take its time."""

    async def show(self, query: str, headers: Mapping[bytes, bytes], receive: Receive) -> Reply:
        """Answer a request; ``receive`` tells when nobody waits for it any more."""


class OpenDoor(Protocol):
    """Answers one path to anybody, whom it may ask for something else than a token."""

    @property
    def methods(self) -> Collection[str]:
        """What it answers."""

    async def answer(
        self, method: str, credentials: Credentials, address: str, receive: Receive
    ) -> Reply:
        """Answer a request, whose body it reads itself."""


class SignedDoor(Protocol):
    """Answers ``POST`` on one path to whoever signs a request instead of bringing a token."""

    @property
    def bodies(self) -> BodyReader:
        """What reads its bodies: strangers may send one."""

    def complaint(self, headers: Mapping[bytes, bytes]) -> str:
        """Why the body of such a request is not even read; empty if it may be genuine."""

    async def take(self, headers: Mapping[bytes, bytes], body: Body) -> Reply | str:
        """Answer a request whose body is complete; why not, if it is not genuine."""


async def read(body: bytes, reader: Callable[[], T]) -> T:
    """What a body holds, without keeping the event loop from others for long."""
    if len(body) <= _LARGE_BYTES:
        return reader()
    return await asyncio.to_thread(reader)


async def recorded(future: Future[T], deadline_seconds: float) -> T:
    """The result of a work for the store. Raises TimeoutError once the deadline is over.

    The work goes on then: whoever stops waiting withdraws nothing and loses no error.
    """
    loop = asyncio.get_running_loop()
    waiting = loop.create_future()

    def wake() -> None:
        if not waiting.done():
            waiting.set_result(None)

    def done(_: Future[T]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(wake)

    future.add_done_callback(done)
    timer = loop.call_later(deadline_seconds, wake)
    try:
        await waiting
    finally:
        timer.cancel()
    if not future.done():
        raise TimeoutError
    return future.result()


async def recorded_or_acted(
    future: Future[T],
    deadline_seconds: float,
    act: Callable[[], Future[None]],
    *,
    act_after_seconds: float = ACT_AFTER_SECONDS,
) -> T:
    """The same for what must not wait for the store: soon it is acted upon all the same.

    The wait for the record goes on meanwhile. TimeoutError means that the act is complete.
    """
    patience = min(act_after_seconds, deadline_seconds)
    try:
        return await recorded(future, patience)
    except TimeoutError:
        acting = asyncio.wrap_future(act())
    try:
        return await recorded(future, deadline_seconds - patience)
    except TimeoutError:
        await acting
        raise

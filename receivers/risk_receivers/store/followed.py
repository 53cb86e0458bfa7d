"""A future that is answered once what follows from the commit is done.

A commit's own future wakes whoever waits for it before its callbacks run: an answer could be out
before the gate is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import TypeVar

T = TypeVar("T")


def _nothing(_: BaseException | None) -> None:
    """Nothing follows from a failure."""


class Followed(Future[T]):
    """Given to the writer in place of its own; whoever stops waiting withdraws nothing."""

    def __init__(
        self,
        recorded: Callable[[T], None],
        failed: Callable[[BaseException | None], None] = _nothing,
    ) -> None:
        """What is done in the writer's thread once it is durable, or was not recorded. What these
        raise belongs to who waits for the answer.
        """
        super().__init__()
        self._recorded = recorded
        self._failed = failed

    def cancel(self) -> bool:
        """It is on its way."""
        return False

    def set_result(self, result: T) -> None:
        """It is durable."""
        self._require_open()
        try:
            self._recorded(result)
        except Exception as error:  # noqa: BLE001 - belongs to who waits for the answer
            super().set_exception(error)
        else:
            super().set_result(result)

    def set_exception(self, exception: BaseException | None) -> None:
        """It is not recorded."""
        self._require_open()
        try:
            self._failed(exception)
        except Exception as error:  # noqa: BLE001 - belongs to who waits for the answer
            exception = error
        super().set_exception(exception)

    def _require_open(self) -> None:
        """What follows happens once."""
        if self.done():
            raise InvalidStateError("it is answered already")

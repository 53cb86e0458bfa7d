"""What is left of a message that goes out in several parts, while it is being tried again.

A part that was confirmed is not sent again, and what is left is sent in the words in which the
message began. This is kept in memory: a service that dies between the first part and the last
sends the confirmed parts once more when it is back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

Part = TypeVar("Part")

#: Messages that were given up in the middle are forgotten beyond this many, oldest first.
_MOST: Final = 1000


class Progress(Generic[Part]):
    """Parts of messages by the messages' ids."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, list[Part]] = OrderedDict()

    def left(self, message_id: str, parts: Callable[[], list[Part]]) -> list[Part]:
        """The parts that nobody has confirmed; ``parts`` makes all of them the first time.

        Whoever confirms a part removes it from this list.
        """
        if message_id not in self._left:
            self._left[message_id] = parts()
            while len(self._left) > _MOST:
                self._left.popitem(last=False)
        return self._left[message_id]

    def forget(self, message_id: str) -> None:
        """The message is done, or begins anew if it is sent again."""
        self._left.pop(message_id, None)

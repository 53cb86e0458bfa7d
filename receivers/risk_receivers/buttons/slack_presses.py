"""Presses in Slack that were taken in and not done yet: kept before Slack is told that they were.

Slack sends a press once. What it is answered to through is a secret of Slack's and not kept, nor
is the message: whoever pressed before a restart sees what came of it by what is told next.
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import closing
from datetime import datetime, timedelta
from typing import Final

import msgspec

from risk_receivers.audit.tables import open_read_only
from risk_receivers.buttons.slack_payload import SlackPress
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place
from risk_receivers.schema import from_text, to_text
from risk_receivers.store.writer import Transaction, Writer

#: A press from longer ago may not be meant any more; people have looked again by then.
STILL_MEANT: Final = timedelta(minutes=5)


class KeptPress(msgspec.Struct, frozen=True):
    """What is left of a press.

    Attributes:
        shown: what the buttons were known by that the message carried.
    """

    number: int
    user: str
    name: str
    data: str
    shown: tuple[str, ...]
    at: datetime


class SlackPresses:
    """The table of them."""

    def __init__(self, database: Place, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def keep(self, press: SlackPress) -> Future[int]:
        """Keep one; the number under which it is, once it is durable."""
        shown = msgspec.json.encode(press.message.buttons).decode()

        def work(transaction: Transaction) -> int:
            (number,) = transaction.connection.execute(
                'INSERT INTO slack_press ("user", name, data, shown, at) '
                "VALUES (?, ?, ?, ?, ?) RETURNING n",
                (press.user, press.name, press.data, shown, to_text(transaction.now)),
            ).fetchone()
            return int(number)

        return self._writer.submit(work)

    def left(self) -> list[KeptPress]:
        """Those that are not done, oldest first."""
        with closing(open_read_only(self._database)) as connection:
            return _all(connection)

    def done(self, number: int) -> None:
        """Forget one, soon; whoever waits for nothing hears of no error."""
        self._writer.submit(lambda transaction: forget(transaction, number))


def forget(transaction: Transaction, number: int) -> None:
    """What it asked for is done, or will not be."""
    transaction.connection.execute("DELETE FROM slack_press WHERE n = ?", (number,))


def _all(connection: Connection) -> list[KeptPress]:
    rows = connection.execute('SELECT n, "user", name, data, shown, at FROM slack_press ORDER BY n')
    return [
        KeptPress(n, user, name, data, tuple(msgspec.json.decode(shown)), from_text(at))
        for n, user, name, data, shown, at in rows
    ]

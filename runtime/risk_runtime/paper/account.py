"""The paper account on disk, so that a killed runtime goes on where it was.

Invariant: the file is replaced as a whole (write, fsync, rename), and what was done stands in
it together with the reports that tell of it. Whatever instant a crash hits, after the restart
either both are there or neither is; a report that may have been passed on already is passed on
again under the same id.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from risk_policy.contracts.reports import Report
from risk_runtime.errors import AccountStoreError
from risk_runtime.paper.broker import BrokerState

ACCOUNT_FILE: Final = "paper-account.json"


class StoredAccount(BaseModel):
    """Everything the runtime must remember.

    Attributes:
        account: whose book it is.
        broker: cash, positions, orders.
        replayed_until: the last day that was replayed, None before the first.
        day_number: how many days were replayed.
        flat_for_kill: the trip that was answered with a confirmed flat account, empty if none.
        flat_within: the kills of less than the account that were answered with nothing held there.
        outbox: reports of what is stored here that were not yet passed on when it was stored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    account: str
    broker: BrokerState
    replayed_until: date | None = None
    day_number: Annotated[int, Field(ge=0)] = 0
    flat_for_kill: str = ""
    flat_within: tuple[str, ...] = ()
    outbox: tuple[Report, ...] = ()


class AccountStore:
    """Reads and replaces the account's file in a folder."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / ACCOUNT_FILE
        self._staging = directory / f".{ACCOUNT_FILE}.new"

    def load(self) -> StoredAccount | None:
        """The stored account, None if there is none.

        Raises:
            AccountStoreError: there is one and it cannot be read. It is not started anew.
        """
        try:
            return StoredAccount.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise AccountStoreError(
                f"{self._path} cannot be read ({type(error).__name__}); restore it, or move it "
                "away to start a new paper account"
            ) from error

    def save(self, account: StoredAccount) -> None:
        """Replace the stored account, durably. Raises AccountStoreError."""
        try:
            with self._staging.open("w", encoding="utf-8") as stream:
                stream.write(account.model_dump_json())
                stream.flush()
                os.fsync(stream.fileno())
            self._staging.replace(self._path)
        except OSError as error:
            raise AccountStoreError(f"{self._path} cannot be replaced: {error.strerror}") from error

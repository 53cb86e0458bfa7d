"""What can go wrong in a runtime, as errors that say what is wrong and what would be right."""

from __future__ import annotations


class RiskRuntimeError(Exception):
    """Base of every error of this package."""


class InvalidOrderError(RiskRuntimeError):
    """An order whose figures cannot be judged."""


class PriceDataError(RiskRuntimeError):
    """A price file that cannot be used, with the place of the first thing wrong in it."""

    def __init__(self, source: str, line: int, column: str, message: str) -> None:
        self.source = source
        self.line = line
        self.column = column
        where = f"{source}:{line}" if line else source
        super().__init__(f"{where}: {column}: {message}" if column else f"{where}: {message}")


class NothingToReplayError(RiskRuntimeError):
    """There is no price in the time that was asked for."""


class OrderRefusedError(RiskRuntimeError):
    """The broker refuses an order, whatever the gate said."""


class AccountStoreError(RiskRuntimeError):
    """The account's state on disk cannot be read or replaced."""


class SpoolError(RiskRuntimeError):
    """The spool of reports cannot be used."""


class NotFlatError(RiskRuntimeError):
    """Closing went through all its attempts and the account is still not flat."""

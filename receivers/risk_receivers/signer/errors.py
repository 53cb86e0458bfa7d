"""Why nothing was signed. Recording goes on all the same."""

from __future__ import annotations

from typing import ClassVar

from risk_receivers.errors import ReceiversError


class SignerError(ReceiversError):
    """Base of every error of a signer. Somebody has to look, unless it is temporary."""

    temporary: ClassVar[bool] = False


class SignerFilesError(SignerError):
    """A key or state file is missing, damaged, in use, or readable by others."""


class InconsistentHeadError(SignerError):
    """What was to be signed does not go on from what was signed: a fork, or a rewind."""


class NotThereError(SignerError):
    """The signer has signed another size than the one to go on from.

    Attributes:
        size: what it has signed last.
    """

    temporary = True

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"the signer has signed up to {size}; go on from there")


class UnreachableSignerError(SignerError):
    """The signer did not answer; it may later."""

    temporary = True

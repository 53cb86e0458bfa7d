"""What can go wrong between the sidecar and the bot."""

from __future__ import annotations

from risk_runtime.errors import RiskRuntimeError


class BotError(RiskRuntimeError):
    """Base: the bot did not do or tell what it was asked. Temporary: it is asked again."""


class BotUnreachableError(BotError):
    """Nobody answered in time."""


class BotRefusedError(BotError):
    """The bot answered, and not with success.

    Attributes:
        status: of the answer.
    """

    def __init__(self, what: str, status: int) -> None:
        self.status = status
        hint = "; check the user and the password of its API" if status in (401, 403) else ""
        super().__init__(f"the bot answered {what} with {status}{hint}")


class BotAnswerError(BotError):
    """The bot answered with something that cannot be read."""


class NotSettledError(BotError):
    """Too much changes at the moment to say what the bot began with."""


class NotPricedError(BotError):
    """The bot has no current price for what it holds, so nobody knows what that is worth."""

"""What the sections of the policy are made of; they find all of it here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from risk_policy.model.addresses import (
    ApiUrl,
    BaseUrl,
    ChannelHost,
    ChannelName,
    Endpoint,
    Host,
    MailAddress,
    MailAddresses,
    Members,
    Mentions,
    PhoneNumbers,
    SmsSender,
    TelegramChats,
    TelegramUsers,
    is_loopback,
    split_endpoint,
)
from risk_policy.model.durations import AtMost, Milliseconds, Minutes, PositiveSeconds, Seconds
from risk_policy.model.numbers import (
    BasisPoints,
    Count,
    Days,
    LossPercent,
    Multiple,
    Number,
    Percent,
    Port,
    RetentionDays,
    SharePercent,
    SmallPercent,
    UsagePercent,
    WholeNumber,
)
from risk_policy.vocabulary import Severity

__all__ = [
    "AlwaysOff",
    "AlwaysOn",
    "ApiUrl",
    "AtMost",
    "BaseUrl",
    "BasisPoints",
    "ChannelHost",
    "ChannelName",
    "Count",
    "Days",
    "Endpoint",
    "Host",
    "LossPercent",
    "MailAddress",
    "MailAddresses",
    "Members",
    "Mentions",
    "Milliseconds",
    "Minutes",
    "Multiple",
    "Number",
    "Percent",
    "PhoneNumbers",
    "Port",
    "PositiveSeconds",
    "RetentionDays",
    "Seconds",
    "Section",
    "SeverityName",
    "SharePercent",
    "SmallPercent",
    "SmsSender",
    "Switch",
    "TelegramChats",
    "TelegramUsers",
    "UsagePercent",
    "WholeNumber",
    "is_loopback",
    "split_endpoint",
]


class Section(BaseModel):
    """A table of the policy file: frozen, and nothing unknown is let in."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )


def _switch(value: object) -> object:
    if not isinstance(value, bool):
        raise PydanticCustomError("switch", "must be true or false, without quotes")
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


#: On or off; nothing that merely looks like it.
Switch = Annotated[bool, BeforeValidator(_switch)]
#: A safeguard that the policy may name but not switch off.
AlwaysOn = Annotated[Literal[True], BeforeValidator(_switch)]
#: Something dangerous that the policy may name but not switch on.
AlwaysOff = Annotated[Literal[False], BeforeValidator(_switch)]
#: Severities may be written in capitals, as the users do.
SeverityName = Annotated[
    Severity,
    BeforeValidator(_lower),
    WithJsonSchema(
        {"type": "string", "enum": [word for name in Severity for word in (name.upper(), name)]},
        mode="validation",
    ),
]

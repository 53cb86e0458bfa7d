"""What has to be so before real money is traded: the bounds of ``riskwarden golive``."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from risk_policy.model.base import AtMost, Days, Milliseconds, Section, WholeNumber

_HOST: Final = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_HTTPS: Final = re.compile(
    r"https://(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?/?"
)


def _time_server(text: str) -> str:
    if text and not _HOST.fullmatch(text):
        raise PydanticCustomError("host", "must be HOST or HOST:PORT of an NTP server, or empty")
    return text


def _console_url(text: str) -> str:
    if text and not _HTTPS.fullmatch(text):
        raise PydanticCustomError(
            "url", "must be https://HOST or https://HOST:PORT, where people reach it, or empty"
        )
    return text


class GoLive(Section):
    """``[alerting.golive]``: what ``riskwarden golive`` holds against what it sees.

    Attributes:
        people_channels: least ways, files and screens of the machine not counted, by which people
            are told of critical alerts, and as many of emergencies.
        drill_days: every drill has to have passed within so many days.
        certificate_days: how much longer the certificate has to be good.
        console_url: where people reach the console if TLS ends at a proxy.
        clock_offset_milliseconds: how far the clock may be off.
        time_server: an NTP server to ask for that; if none is named, the kernel is asked whether
            somebody keeps the clock.
        secret_characters: least length of tokens and keys that you make yourself.
    """

    people_channels: Annotated[WholeNumber, Field(ge=1, le=8)] = 2
    drill_days: Annotated[
        Days, AtMost(366, "what was last rehearsed more than a year ago was with other people")
    ] = 90
    certificate_days: Annotated[Days, AtMost(366, "hardly any authority gives one for so long")] = (
        14
    )
    console_url: Annotated[str, AfterValidator(_console_url)] = ""
    clock_offset_milliseconds: Annotated[
        Milliseconds, AtMost(60_000, "ages and timers would be wrong by as much")
    ] = 500
    time_server: Annotated[str, AfterValidator(_time_server)] = ""
    secret_characters: Annotated[WholeNumber, Field(ge=16, le=256)] = 24

"""What the sections are made of: percentages, durations, endpoints."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from risk_policy.vocabulary import Severity


class Section(BaseModel):
    """A table of the policy file: frozen, and nothing unknown is let in."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("unit", "a number is expected, not true or false")
    if isinstance(value, str):
        text = value.strip()
        if text.endswith("%"):
            raise PydanticCustomError(
                "unit",
                "write {bare} without quotes and percent sign; the key is already in percent",
                {"bare": text[:-1].strip()},
            )
        raise PydanticCustomError("unit", "a number is expected; write it without quotes")
    return value


class Percent:
    """Metadata of a percentage: from ``least``, below which it looks like a ratio, to ``most``."""

    def __init__(self, least: float, most: float = 100.0) -> None:
        self.least = least
        self.most = most

    def _check(self, value: float) -> float:
        if value <= 0:
            raise PydanticCustomError(
                "range",
                "must be positive: losses and drawdowns are written without a minus sign",
            )
        if value < self.least:
            raise PydanticCustomError(
                "unit",
                "looks like a ratio; the key is in percent: write {pct}",
                {"pct": f"{value * 100:g}"},
            )
        if value > self.most:
            raise PydanticCustomError("range", "must be at most {most}", {"most": f"{self.most:g}"})
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))


#: A loss or a drawdown, in percent.
LossPercent = Annotated[float, BeforeValidator(_number), Percent(0.25, 100)]
#: A share of the portfolio, in percent; leverage can take it beyond 100.
SharePercent = Annotated[float, BeforeValidator(_number), Percent(1.01, 1000)]
#: How much of a limit is used, in percent.
UsagePercent = Annotated[float, BeforeValidator(_number), Percent(1.01, 1000)]

Seconds = Annotated[float, BeforeValidator(_number), Field(ge=0, le=31_536_000)]
PositiveSeconds = Annotated[float, BeforeValidator(_number), Field(gt=0, le=31_536_000)]
Minutes = Annotated[float, BeforeValidator(_number), Field(gt=0, le=525_600)]
Days = Annotated[int, BeforeValidator(_number), Field(ge=1, le=36_500)]
#: Days to keep something; -1 keeps it forever.
RetentionDays = Annotated[int, BeforeValidator(_number), Field(ge=-1, le=36_500)]
Count = Annotated[int, BeforeValidator(_number), Field(ge=1, le=1_000_000)]


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


#: Severities may be written in capitals, as the users do.
SeverityName = Annotated[Severity, BeforeValidator(_lower)]


def _kept(days: int) -> int:
    if days == 0:
        raise PydanticCustomError("range", "must be -1 (forever) or at least 1 day")
    return days


Retention = Annotated[RetentionDays, AfterValidator(_kept)]


def split_endpoint(text: str) -> tuple[str, int]:
    """Host and port of ``host:port``. Raises ValueError."""
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("must be host:port, e.g. 127.0.0.1:9464")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether a host can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _endpoint(text: str) -> str:
    split_endpoint(text)
    return text


#: ``host:port`` of a server.
Endpoint = Annotated[str, AfterValidator(_endpoint)]

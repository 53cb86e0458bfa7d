"""Numbers as the policy file writes them: bare, and of a size that can be meant."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

#: Nothing the policy counts or measures comes near; beyond it, arithmetic would overflow.
_LARGEST: Final = 10**15


def plain_number(value: object) -> object:
    """What a number must be before it is looked at closer."""
    if isinstance(value, bool):
        raise PydanticCustomError("unit", "a number is expected, not true or false")
    if isinstance(value, str):
        text = value.strip()
        if text.endswith("%"):
            raise PydanticCustomError(
                "unit",
                "write {bare} without quotes and percent sign; the key is already in percent",
                {"bare": text[:-1].strip()[:20]},
            )
        raise PydanticCustomError("unit", "a number is expected; write it without quotes")
    if not isinstance(value, int | float):
        raise PydanticCustomError("unit", "a number is expected, e.g. 5")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise PydanticCustomError("range", "is larger than any number that makes sense here")
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

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "minimum": self.least, "maximum": self.most}


def _kept(days: int) -> int:
    if days == 0:
        raise PydanticCustomError("range", "must be -1 (forever) or at least 1 day")
    return days


#: A number of its own kind; bounds are added where it stands.
Number = Annotated[float, BeforeValidator(plain_number)]
WholeNumber = Annotated[int, BeforeValidator(plain_number)]

#: A loss or a drawdown, in percent. A threshold fires beyond it, and nothing is beyond all.
LossPercent = Annotated[Number, Percent(0.25, 99.9)]
#: A share of the portfolio, in percent; leverage can take it beyond 100.
SharePercent = Annotated[Number, Percent(1.01, 1000)]
#: How much of a limit is used, in percent.
UsagePercent = Annotated[Number, Percent(1.01, 1000)]

#: A percentage that is small by nature.
SmallPercent = Annotated[Number, Percent(0.001, 100)]
#: How many times something.
Multiple = Annotated[Number, Field(gt=0, le=1000)]
BasisPoints = Annotated[Number, Field(gt=0, le=10_000)]

Count = Annotated[WholeNumber, Field(ge=1, le=1_000_000)]
Days = Annotated[WholeNumber, Field(ge=1, le=36_500)]
#: Days to keep something; -1 keeps it forever.
RetentionDays = Annotated[WholeNumber, Field(ge=-1, le=36_500), AfterValidator(_kept)]
Port = Annotated[WholeNumber, Field(ge=1, le=65535)]

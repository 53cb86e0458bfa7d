"""Durations: whole milliseconds, each with a ceiling and the reason for it.

Prometheus and Alertmanager tell nothing finer than a millisecond. The ceilings keep a typing
error, such as milliseconds taken for seconds, from switching a safeguard off without a word.
"""

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

from risk_policy.model.numbers import WholeNumber, plain_number

_MILLISECONDS_PER_MINUTE: Final = 60_000
#: Minutes times milliseconds are floats; what differs by less was meant to be whole.
_TOLERANCE: Final = 1e-6


def _whole_milliseconds(seconds: float) -> float:
    if round(seconds, 3) != seconds:
        raise PydanticCustomError(
            "unit",
            "is finer than the millisecond that Prometheus can tell; write at most three "
            "decimals, e.g. {nearest}",
            {"nearest": f"{max(round(seconds, 3), 0.001):g}"},
        )
    return seconds


def _whole_milliseconds_of_minutes(minutes: float) -> float:
    milliseconds = minutes * _MILLISECONDS_PER_MINUTE
    if abs(milliseconds - round(milliseconds)) > _TOLERANCE:
        raise PydanticCustomError(
            "unit",
            "is no whole number of milliseconds, which is the finest that Prometheus can tell; "
            "write e.g. {nearest}",
            {"nearest": f"{round(minutes, 2):g}"},
        )
    return minutes


class AtMost:
    """Metadata of a duration: its ceiling, and why nothing longer makes sense."""

    def __init__(self, most: float, because: str) -> None:
        self.most = most
        self.because = because

    def _check(self, value: float) -> float:
        if value > self.most:
            raise PydanticCustomError(
                "range",
                "must be at most {most}: {because}",
                {"most": f"{self.most:g}", "because": self.because},
            )
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler(schema)
        described["maximum"] = self.most
        return described


#: May be 0: at once.
Seconds = Annotated[
    float, BeforeValidator(plain_number), Field(ge=0), AfterValidator(_whole_milliseconds)
]
#: An interval. Below 10 ms nothing here keeps time.
PositiveSeconds = Annotated[
    float, BeforeValidator(plain_number), Field(ge=0.01), AfterValidator(_whole_milliseconds)
]
Minutes = Annotated[
    float,
    BeforeValidator(plain_number),
    Field(ge=0.001),
    AfterValidator(_whole_milliseconds_of_minutes),
]
#: A latency, in whole milliseconds; beyond an hour it is none.
Milliseconds = Annotated[WholeNumber, Field(ge=1, le=3_600_000)]

"""What the HTTP edge answers: a status and a body, and every refusal says what would be right."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from risk_exporter.measures import Measures
from risk_policy.contracts.gating import FLAGS
from risk_policy.contracts.snapshot import (
    MOST_COUNTED,
    Budget,
    Event,
    Latencies,
    Market,
    Position,
    Snapshot,
    Strategy,
    ToldGating,
    Venue,
    VenueLatency,
)

#: Problems named in one answer; the rest is counted.
_MOST_PROBLEMS: Final = 50

_FIGURES: Final = (
    "account",
    "currency",
    "trading_day",
    "equity",
    "equity_peak",
    "equity_day_start",
    "equity_day_high",
    "drawdown_ratio",
    "intraday_drawdown_ratio",
    "daily_pnl_ratio",
    "positions_open",
    "exposure_gross_ratio",
    "exposure_net_ratio",
    "leverage_ratio",
    "margin_level_ratio",
    "var_ratio",
    "cvar_ratio",
    "var_limit_usage_ratio",
    "cvar_limit_usage_ratio",
    "var_sample_count",
    "var_covered_ratio",
    "var_uncovered_positions",
)

#: How pydantic says that it is the name of an entry that is wrong, not what it holds.
_KEY: Final = "[key]"
_IDENTIFIER: Final = (
    "must be 1 to 64 letters, digits or one of . _ : @ + = -, beginning with a letter or digit"
)
_PATTERNS: Final = {
    "account": _IDENTIFIER,
    "currency": _IDENTIFIER,
    "symbol": _IDENTIFIER,
    "name": _IDENTIFIER,
    "asset": "must be 1 to 64 characters without / and control characters",
    "sector": "must be 1 to 64 characters without / and control characters",
    _KEY: _IDENTIFIER,
}
_KINDS: Final = {
    "missing": "is missing",
    "greater_than": "must be a number greater than 0",
    "greater_than_equal": "must be a number of at least 0",
    "less_than_equal": f"must be a number of at most {MOST_COUNTED}",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "tuple_type": "must be a list",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "timezone_aware": "must carry a time zone: write it in UTC, e.g. 2026-01-02T03:04:05Z",
    "datetime_type": "must be a time, e.g. 2026-01-02T03:04:05Z",
    "datetime_parsing": "must be a time, e.g. 2026-01-02T03:04:05Z",
    "datetime_from_date_parsing": "must be a time, e.g. 2026-01-02T03:04:05Z",
}
#: What stands where in a body.
_MODELS: Final[dict[tuple[str, ...], type[BaseModel]]] = {
    (): Snapshot,
    ("positions",): Position,
    ("strategies",): Strategy,
    ("venues",): Venue,
    ("budgets",): Budget,
    ("markets",): Market,
    ("latencies",): Latencies,
    ("latencies", "venues"): VenueLatency,
    ("events",): Event,
    ("gating",): ToldGating,
}
#: The only fields that are true or false.
_FLAGS: Final = frozenset({"reports_stops", *(f"gating.{flag}" for flag in FLAGS)})


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field that is wrong: where, and what would be right."""

    path: str
    message: str


def json_answer(status: HTTPStatus, content: object) -> Answer:
    """An answer in JSON."""
    return Answer(status, json.dumps(content, allow_nan=False).encode() + b"\n")


def refusal(
    status: HTTPStatus, error: str, problems: Iterable[FieldProblem] = (), **headers: str
) -> Answer:
    """A refusal that names what is wrong."""
    listed = [{"path": problem.path, "message": problem.message} for problem in problems]
    body = json.dumps({"error": error, "problems": listed}).encode() + b"\n"
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status, body, headers=named)


def figures(measures: Measures) -> Answer:
    """The key figures of a snapshot that was taken in."""
    content = {name: _plain(getattr(measures, name)) for name in _FIGURES}
    return json_answer(HTTPStatus.OK, content)


def _plain(value: object) -> object:
    """JSON knows no infinity and no NaN; they are written as Prometheus writes them."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return value


def validation_problems(error: ValidationError) -> list[FieldProblem]:
    """Every field that is wrong, by its path in the body."""
    details = error.errors(include_url=False, include_input=False)
    # An absent market_time is filled from taken_at, and would complain about it a second time.
    at_taken = {detail["type"] for detail in details if detail["loc"] == ("taken_at",)}
    problems = [
        FieldProblem(_path(detail["loc"]), _message(detail))
        for detail in details
        if not (detail["loc"] == ("market_time",) and detail["type"] in at_taken)
    ]
    return _bounded(problems)


def boolean_problems(body: object) -> list[FieldProblem]:
    """Numbers given as true or false, which would count as 1 and 0."""
    return _bounded(list(_booleans(body)))


def _booleans(node: object, path: str = "") -> Iterator[FieldProblem]:
    if isinstance(node, bool):
        if path not in _FLAGS:
            yield FieldProblem(path, "must be a number or a text, not true or false")
    elif isinstance(node, dict):
        for name, child in node.items():
            yield from _booleans(child, f"{path}.{name}" if path else name)
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from _booleans(child, f"{path}[{number}]")


def _bounded(problems: list[FieldProblem]) -> list[FieldProblem]:
    left = len(problems) - _MOST_PROBLEMS
    if left <= 0:
        return problems
    return [*problems[:_MOST_PROBLEMS], FieldProblem("", f"and {left} more")]


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if part == _KEY:
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _message(detail: ErrorDetails) -> str:
    kind, location = detail["type"], detail["loc"]
    if kind == "extra_forbidden":
        place = tuple(part for part in location[:-1] if isinstance(part, str))
        model = _MODELS.get(place)
        return f"is unknown; known here: {', '.join(model.model_fields)}" if model else "is unknown"
    if kind == "enum":
        return f"must be {detail['ctx']['expected'].replace(chr(39), '')}"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(str(location[-1]), detail["msg"])
    return _KINDS.get(kind, detail["msg"].removeprefix("Value error, "))

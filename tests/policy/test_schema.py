"""The JSON Schema for editors lets pass what the policy does, and underlines plain mistakes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from risk_policy import InvalidPolicyError, default_policy_path, parse_policy
from risk_policy.schema import policy_schema

SCHEMA = policy_schema()
#: Keywords that say nothing about whether a value is right.
REMARKS = {"$schema", "$defs", "title", "description", "default", "format"}
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
BOUNDS = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
}


def complaints(value: Any, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """What a reader of JSON Schema 2020-12 has against a value; it has to know every keyword."""
    for keyword, said in schema.items():
        match keyword:
            case "$ref":
                yield from complaints(value, SCHEMA["$defs"][said.removeprefix("#/$defs/")], path)
            case "type":
                is_flag = isinstance(value, bool)
                if not isinstance(value, TYPES[said]) or (is_flag and said != "boolean"):
                    yield f"{path} is no {said}"
            case "enum" | "const":
                if value not in (said if keyword == "enum" else [said]):
                    yield f"{path} is none of {said}"
            case "anyOf":
                if all(list(complaints(value, one, path)) for one in said):
                    yield f"{path} is none of several"
            case "items":
                for number, item in enumerate(value):
                    yield from complaints(item, said, f"{path}[{number}]")
            case "properties":
                for name, child in value.items():
                    if name in said:
                        yield from complaints(child, said[name], f"{path}.{name}")
            case "additionalProperties":
                for name in value.keys() - schema.get("properties", {}).keys():
                    found = complaints(value[name], said, name) if said else ["unknown"]
                    yield from (f"{path}.{name}: {one}" for one in found)
            case "pattern":
                pass  # of secrets: a text of another form is looked at by the policy alone
            case _ if keyword in BOUNDS:
                if isinstance(value, int | float) and not BOUNDS[keyword](value, said):
                    yield f"{path} is beyond {keyword} {said}"
            case _:
                assert keyword in REMARKS, f"no keyword of JSON Schema: {keyword} at {path}"


def complaints_about(toml: str) -> list[str]:
    return list(complaints(tomllib.loads(toml), SCHEMA))


def test_the_committed_policy_fits() -> None:
    assert complaints_about(default_policy_path().read_text("utf-8")) == []


@pytest.mark.parametrize(
    "toml",
    [
        '[alerting]\ndefault_severity = "WARNING"',
        '[alerting]\ndefault_severity = "warning"',
        '[alerting.channels.telegram]\nallowed_chats = [-1001, "-1002"]\nallowed_users = [1]',
        '[alerting.mute_times.a]\nseverities = ["INFO"]\ndays_of_month = ["1:7", -1]',
        "[alerting.cooldown]\nper_category = { position = 30, portfolio = 120, system = 300 }",
        "[alerting.escalation.time_based]\nemergency_kill_switch_minutes = 30.5",
    ],
)
def test_what_users_write_fits(toml: str) -> None:
    parse_policy(toml.encode(), environ={})
    assert complaints_about(toml) == []


@pytest.mark.parametrize(
    "toml",
    [
        "[alerting]\nchannel = 1",
        "[alerting]\nenabled = 1",
        '[alerting]\ndefault_severity = "worst"',
        '[alerting.retention]\ndays = "90"',
        "[alerting.retention]\ndays = 0",
        "[alerting.thresholds.portfolio]\nmax_drawdown_warning_pct = 0.1",
        "[alerting.thresholds.portfolio]\nmax_drawdown_emergency_pct = 120",
        "[alerting.thresholds.exposure]\nleverage_warning = 0",
        "[alerting.gate]\nlease_seconds = 3000",
        "[dashboard]\nport = 1",
    ],
)
def test_a_plain_mistake_is_underlined(toml: str) -> None:
    with pytest.raises(InvalidPolicyError):
        parse_policy(toml.encode(), environ={})
    assert complaints_about(toml) != []

"""Every key of the policy: what it is, what it may be, and what it means."""

from __future__ import annotations

import fnmatch
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from pydantic.fields import FieldInfo

from risk_policy import Policy, default_policy_path, fields
from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_policy.environment import Secret
from risk_policy.fields import Model
from risk_policy.model.policy import Alerting
from risk_policy.schema import policy_schema
from riskwarden.reference.meanings import BY_NAME, BY_PLACE
from riskwarden.reference.pages import page, table

_ATTRIBUTE: Final = re.compile(r"^    (\w+(?:, \w+)*): (.*(?:\n        .*)*)", re.MULTILINE)
_TABLE: Final = re.compile(r"\[([\w.]+)\]")
_COMMENTED: Final = re.compile(r"""(\w+) = (?:"[^"]*"|\[[^\]]*\]|[^"\[{#]*?)\s+\# (.*)""")
#: How a key's name ends -> what its number is counted in.
_UNITS: Final = {
    "pct": "%", "seconds": "s", "milliseconds": "ms", "minutes": "min", "hours": "h",
    "days": "days", "bps": "basis points", "mib": "MiB", "count": "times",
}  # fmt: skip
_TYPES: Final = {
    "boolean": "true or false", "number": "number", "integer": "whole number", "string": "text",
    "object": "table",
}  # fmt: skip
_ABOUT: Final = (
    "What may stand in `policy/alerting.toml`. A key that is not written has its default. "
    "`riskwarden policy check` names every problem with file, line, key, value and remedy, and "
    "knows how keys depend on each other, which no table can say; `riskwarden policy schema` "
    "prints the JSON Schema for your editor. A secret is written as `${NAME}`: the variable NAME, "
    "or the file that NAME_FILE names."
)


def policy_keys(policy: Policy) -> str:
    """The page: a table of keys for each table of the file."""
    blocks = [
        "# Every key of the policy",
        _ABOUT,
    ]
    for name, model in sections():
        rows = [
            (f"`{field}`", *_row(name, model, field, found))
            for field, found in model.model_fields.items()
            if fields.submodel(model, field) is None
        ]
        if rows:
            head = ("key", "type", "default", "unit", "bounds", "meaning")
            blocks += [f"## `[{name}]`", table(head, rows)]
    return page(policy, blocks)


def sections(model: Model = Alerting, name: str = "alerting") -> Iterator[tuple[str, Model]]:
    """Every table of the file, with its model."""
    yield name, model
    for field in model.model_fields:
        if (inner := fields.submodel(model, field)) is not None:
            yield from sections(inner, f"{name}.{field}")
    named = getattr(model, "named", None)
    if isinstance(named, type):
        yield from sections(named, f"{name}.<name>")


def meaning(section: str, model: Model, field: str) -> str:
    """What a key means; empty if nobody says so."""
    key = f"{section}.{field}"
    place = key.removeprefix("alerting.")
    by_place = [text for pattern, text in BY_PLACE.items() if fnmatch.fnmatch(place, pattern)]
    found = (
        _attributes(model).get(field),
        *by_place,
        "; ".join(filter(None, (_of_catalogue(key), _comments().get(key, "")))),
        BY_NAME.get(field),
    )
    return next(filter(None, found), "").replace("``", "`").removesuffix(".")


def _row(section: str, model: Model, field: str, found: FieldInfo) -> tuple[str, ...]:
    described = _described(model, field)
    unit = "" if described.get("type") == "boolean" else _UNITS.get(field.rpartition("_")[2], "")
    return (
        "secret" if fields.is_secret(found) else _type(described),
        _default(found),
        unit,
        _bounds(described),
        meaning(section, model, field),
    )


@cache
def _schema() -> dict[str, Any]:
    return policy_schema()


def _described(model: Model, field: str) -> dict[str, Any]:
    """A key's own schema, references followed."""
    found: dict[str, Any] = _schema()["$defs"][model.__name__]["properties"][field]
    return _followed(found)


def _followed(node: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref", "")
    if not reference:
        return node
    target: dict[str, Any] = _schema()["$defs"][reference.rpartition("/")[2]]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def _type(described: dict[str, Any]) -> str:
    if "enum" in described:
        words = dict.fromkeys(str(word).lower() for word in described["enum"])
        return " or ".join(f"`{word}`" for word in words)
    if "const" in described:
        return f"always `{json.dumps(described['const'])}`"
    if "anyOf" in described:
        kinds = [
            _type(_followed(each)) for each in described["anyOf"] if each.get("type") != "null"
        ]
        return " or ".join(dict.fromkeys(kinds))
    if described.get("type") == "array":
        inner = _followed(described.get("items", {}))
        return f"list of {_type(inner)}"
    return _TYPES.get(described.get("type", ""), "text")


def _default(found: FieldInfo) -> str:
    if found.is_required():
        return "must be set"
    value = found.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "none"
    if isinstance(value, Secret) or (isinstance(value, str) and value.startswith("${")):
        return f"`{value}`"
    if isinstance(value, tuple | list):
        return "`[" + ", ".join(json.dumps(str(each)) for each in value) + "]`"
    if isinstance(value, str):
        return f"`{json.dumps(str(value))}`"
    return f"`{json.dumps(value)}`" if isinstance(value, bool | int) else f"`{value:g}`"


def _bounds(described: dict[str, Any]) -> str:
    nodes = [described, *(_followed(each) for each in described.get("anyOf", ()))]
    for node in nodes:
        said = [
            f"{words} {node[name]:g}"
            for name, words in (
                ("minimum", "from"), ("exclusiveMinimum", "above"),
                ("maximum", "to"), ("exclusiveMaximum", "below"),
            )
            if name in node
        ]  # fmt: skip
        if said:
            return " ".join(said)
    return ""


def _attributes(model: Model) -> dict[str, str]:
    """What the docstrings of a model and of those that it extends say of its fields."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        _, _, listed = inspect.cleandoc(each.__doc__ or "").partition("Attributes:\n")
        for names, text in _ATTRIBUTE.findall(listed):
            found |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return found


@cache
def _comments() -> dict[str, str]:
    """What the policy that comes with Riskwarden says beside its keys."""
    section, found = "", {}
    for line in default_policy_path().read_text(encoding="utf-8").splitlines():
        if opened := _TABLE.match(line):
            section = opened[1]
        elif commented := _COMMENTED.fullmatch(line):
            found[f"{section}.{commented[1]}"] = commented[2]
    return found


def _of_catalogue(key: str) -> str:
    """What fires beyond it, or after so long."""
    beyond = [
        f"{limit.title}: {spec.name}"
        for limit in LIMITS
        for spec in limit.alerts
        if spec.threshold == key
    ]
    lasting = [f"before {alert.name} fires" for alert in SYSTEM_ALERTS if alert.duration == key]
    return ", ".join((*beyond, *lasting))

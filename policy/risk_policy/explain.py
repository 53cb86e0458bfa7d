"""What the model has against a value, in words of the policy file."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from typing import Final

from pydantic_core import ErrorDetails

from risk_policy import fields
from risk_policy.environment import Secret
from risk_policy.errors import Problem
from risk_policy.fields import Model
from risk_policy.lines import dotted

_LONGEST: Final = 60
#: Names of keys whose value is better not repeated, even if the key is unknown.
_PRIVATE: Final = re.compile(r"token|secret|passw|webhook|credential|api_?key", re.IGNORECASE)
#: Kinds of the model's own errors whose words would not help.
_MESSAGES: Final = {
    "string_type": 'must be text; write it in quotes, e.g. "…"',
    "tuple_type": 'must be a list, e.g. ["…"]',
    "int_from_float": "must be a whole number",
    "finite_number": "must be a finite number",
}


def explain(detail: ErrorDetails, root: str, model: Model, written: object) -> Problem:
    """A problem, showing the value as it is written and never what a variable holds."""
    parts = tuple(str(part) for part in detail["loc"])
    key = dotted((root, *parts))
    kind, value = detail["type"], _at(written, parts)
    if kind == "extra_forbidden":
        table = fields.model_at(model, parts[:-1])
        known = list(table.model_fields) if table else []
        shown = "(hidden)" if _may_be_private(table, parts[-1], value) else show(value)
        return Problem(key, shown, "unknown key" + did_you_mean(parts[-1], known))
    if kind == "secret":
        return Problem(key, "(hidden)", detail["msg"])
    if _holds_secrets(model, parts):
        message = 'must be a list of secrets; write ${NAME} in brackets: ["${NAME}"]'
        return Problem(key, "(hidden)", message)
    if kind in ("model_type", "model_attributes_type"):
        return Problem(key, show(value), f"must be a table: [{key}]")
    return Problem(key, show(value), _MESSAGES.get(kind) or _reworded(detail["msg"]))


def _reworded(message: str) -> str:
    message = message.removeprefix("Value error, ").replace("Input should", "must")
    # As TOML spells them.
    return message.replace("True", "true").replace("False", "false")


def did_you_mean(name: str, known: list[str]) -> str:
    """The closest known name, or all of them."""
    if close := difflib.get_close_matches(name[:_LONGEST], known, n=1, cutoff=0.6):
        return f"; did you mean {close[0]}?"
    return f"; known here: {', '.join(sorted(known))}" if known else ""


def show(value: object) -> str:
    """A value as it may be shown: short, on one line, and nothing of a table's content."""
    if isinstance(value, dict):
        return "{…}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return "[…]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    try:
        text = repr(str(value) if isinstance(value, Secret) else value)
    except ValueError:  # an integer with more digits than Python converts
        return "(a number of thousands of digits)"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "…"


def _at(tree: object, parts: tuple[str, ...]) -> object:
    node = tree
    for part in parts:
        if isinstance(node, dict):
            node = node.get(part)
        elif isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            return node
    return node


def _holds_secrets(model: Model, parts: tuple[str, ...]) -> bool:
    found = fields.field(fields.model_at(model, parts[:-1]), parts[-1]) if parts else None
    return found is not None and fields.is_secret(found)


def _may_be_private(table: Model | None, name: str, value: object) -> bool:
    if not isinstance(value, str | list):
        return False
    beside_secrets = table is not None and any(
        fields.is_secret(found) for found in table.model_fields.values()
    )
    return beside_secrets or _PRIVATE.search(name) is not None

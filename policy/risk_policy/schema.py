"""The JSON Schema of the policy file, by which editors complete and underline.

It lets everything pass that ``policy check`` lets pass, and not the other way round: how keys
depend on each other, what a text has to look like, and variables are looked at there only.
"""

from __future__ import annotations

from typing import Any, Final

from risk_policy.layers import EXTENDS
from risk_policy.model import Policy

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
#: What a policy carries that nobody writes.
_NOT_WRITTEN: Final = ("digest", "source", "as_written", "written_in")
#: Bounds of numbers stand in pydantic's words where something else looks at the value first.
_BOUNDS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}


def policy_schema() -> dict[str, Any]:
    """The schema, as JSON has it."""
    described = _with_standard_bounds(Policy.model_json_schema(mode="validation"))
    assert isinstance(described, dict)
    for internal in _NOT_WRITTEN:
        described["properties"].pop(internal)
    described["properties"][EXTENDS] = {
        "type": "string",
        "description": "The policy file that this one is an overlay of, relative to this one.",
    }
    return {"$schema": DIALECT, **described}


def _with_standard_bounds(node: object) -> object:
    if isinstance(node, list):
        return [_with_standard_bounds(child) for child in node]
    if not isinstance(node, dict):
        return node
    return {
        _BOUNDS.get(name, name) if isinstance(child, int | float) else name: _with_standard_bounds(
            child
        )
        for name, child in node.items()
    }

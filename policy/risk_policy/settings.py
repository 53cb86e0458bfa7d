"""A policy key by key, as it may be shown and kept: with variables, never with what they hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from risk_policy.environment import mentions_variable
from risk_policy.model import Policy


def flat(tree: Mapping[str, object]) -> dict[str, object]:
    """The values of a tree by their dotted keys."""

    def walk(node: object, path: str) -> Iterator[tuple[str, object]]:
        if isinstance(node, Mapping):
            for name, child in node.items():
                yield from walk(child, f"{path}.{name}" if path else name)
        else:
            yield path, node

    return dict(walk(tree, ""))


def settings(policy: Policy) -> dict[str, str]:
    """Every key with its value as JSON, defaults included."""
    written = flat(policy.as_written)
    shown = {
        # What comes from the environment may be a secret, in whatever key somebody put it.
        key: written[key] if _holds_variable(written.get(key)) else value
        for key, value in flat(policy.model_dump(mode="json")).items()
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in shown.items()}


def _holds_variable(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_variable, value))
    return isinstance(value, str) and mentions_variable(value)

"""Every setting of a policy by its dotted key, and how two policies differ in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from risk_policy.model import Policy


@dataclass(slots=True)
class Settings:
    """What differs, key by key, and which of it has been put into words already."""

    old: Mapping[str, Any]
    new: Mapping[str, Any]
    told: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, old: Policy, new: Policy) -> Settings:
        """Of two policies. Secrets appear as the variables they name, never as their values."""
        return cls(_flat(old), _flat(new))

    def changed(self, prefix: str = "") -> Iterator[str]:
        """Keys that differ, in the policy's order."""
        for key in dict.fromkeys((*self.old, *self.new)):
            if key.startswith(prefix) and self.old.get(key) != self.new.get(key):
                yield key

    def take(self, key: str) -> bool:
        """Whether a key differs; then it counts as told."""
        if self.old.get(key) == self.new.get(key):
            return False
        self.told.add(key)
        return True

    def rose(self, key: str) -> bool:
        """Whether its number grew."""
        return float(self.new[key]) > float(self.old[key])

    def shown(self, key: str) -> tuple[str, str]:
        """Both values, as they would be written."""
        return _written(self.old.get(key)), _written(self.new.get(key))


def _flat(policy: Policy) -> dict[str, Any]:
    def walk(node: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
        for name, value in node.items():
            key = f"{path}.{name}" if path else name
            if isinstance(value, dict):
                yield from walk(value, key)
            else:
                yield key, value

    return dict(walk(policy.model_dump(mode="json"), ""))


def _written(value: object) -> str:
    match value:
        case None:
            return "not set"
        case bool():
            return "on" if value else "off"
        case int() | float():
            return f"{value:g}"
        case list():
            return ", ".join(map(str, value)) or "none"
        case _:
            return str(value)

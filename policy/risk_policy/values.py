"""Values of a policy file by their dotted key, whether it is written or left to its default."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from risk_policy.model.policy import Policy

_MISSING: Final = object()


class Values:
    """What a tree says, with the defaults behind it."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self._tree = tree
        self._defaults = Policy()

    def is_written(self, key: str) -> bool:
        """Whether the file sets a key."""
        return self._written(key) is not _MISSING

    def get(self, key: str) -> object:
        """The value of a key; None if there is none."""
        value = self._written(key)
        return self._default(key) if value is _MISSING else value

    def number(self, key: str) -> float | None:
        """The value of a key if it is a number that can be compared."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def _written(self, key: str) -> object:
        node: Any = self._tree
        for part in key.split("."):
            if not isinstance(node, dict) or part not in node:
                return _MISSING
            node = node[part]
        return node

    def _default(self, key: str) -> object:
        node: object = self._defaults
        for part in key.split("."):
            node = getattr(node, part, None)
        return node

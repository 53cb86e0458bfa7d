"""YAML, by the fast loader where there is one."""

from __future__ import annotations

from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str) -> Any:
    return yaml.load(text, _LOADER)  # noqa: S506 - both are safe

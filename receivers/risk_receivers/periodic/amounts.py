"""How many of something, in words."""

from __future__ import annotations


def amount(count: int, one: str, more: str = "") -> str:
    """``1 message``, ``2 messages``."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"

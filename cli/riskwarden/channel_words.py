"""How a channel fares, in words, and whether that has to be put right. Pure."""

from __future__ import annotations

from risk_receivers.shapes.channels import Channel


def state_of(one: Channel) -> str:
    """In a few words, of one that is on."""
    if one["up"] is False:
        heirs = ", ".join(one["fallback"])
        return f"fails; {heirs} takes over" if heirs else "fails, and nobody takes over"
    if one["late"]:
        return "late"
    return "works" if one["up"] else "not tried yet"


def is_failing(one: Channel) -> bool:
    """Whether it is on, and does not deliver as it should."""
    return one["enabled"] and (one["up"] is False or one["late"])


def is_sick(one: Channel) -> bool:
    """Whether it fails, or has given messages up."""
    return is_failing(one) or one["dead_letters"] > 0

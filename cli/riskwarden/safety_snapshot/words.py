"""One difference between two snapshots in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from risk_policy.catalogue.limits import LIMITS, AlertSpec, Limit, Side

_GATES: Final = {
    "enable_live_trading": ("gate 1 (enable_live_trading)", True),
    "live_mode_armed": ("gate 2 (live_mode_armed)", True),
    "live_dry_run": ("the dry run (live_dry_run)", False),
    "require_confirm_token": ("the token's requirement (require_confirm_token)", False),
    "confirm_token_present": ("the confirmation token's presence", True),
}
_BY_KEY: Final[dict[str, tuple[Limit, AlertSpec]]] = {
    spec.threshold: (limit, spec) for limit in LIMITS for spec in limit.alerts
}
#: How a section's entries are called.
_ENTRIES: Final = {
    "gating": "account",
    "kill_switches": "the kill switch over",
    "restrictions": "restriction",
    "drills": "drill",
    "sources": "source",
    "limits/settings": "limit",
    "digests/rule_files": "rule file",
}
#: Of which it is said what they were or are.
_TOLD: Final = ("kill_switches", "restrictions")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value that differs."""

    path: str
    before: Any
    after: Any


def in_words(leaf: Leaf, *, is_new: bool, is_gone: bool) -> str:
    """What changed."""
    parts = [part.replace("\u2215", "/") for part in leaf.path.split("/")]
    for prefix, called in _ENTRIES.items():
        depth = prefix.count("/") + 1
        if leaf.path.startswith(f"{prefix}/") and len(parts) == depth + 1 and (is_new or is_gone):
            value = leaf.after if is_new else leaf.before
            said = f": {value}" if isinstance(value, str) and prefix in _TOLD else ""
            name = "everything" if parts[-1] == "*" else parts[-1]
            return f"{called} {name}: {'new' if is_new else 'gone'}{said}"
    match parts:
        case ["safety", "live_orders"]:
            return f"live orders: {_from_to(leaf)}"
        case ["safety", "adds_risk"]:
            return f"orders that add risk: {_from_to(leaf)}"
        case ["gating", account, "told", switch] if switch in _GATES:
            return f"account {account}: {_gate(switch, leaf)}"
        case ["gating", account, "is_current"]:
            fresh = "counts again" if leaf.after else "is too old to count"
            return f"account {account}: what it told of its gates {fresh}"
        case ["gating", account, *rest]:
            return f"account {account}: {' '.join(rest).replace('_', ' ')} {_from_to(leaf)}"
        case ["limits", "settings", key, "value"]:
            return _moved(key, leaf)
        case [("kill_switches" | "restrictions") as section, name]:
            where = "everything" if name == "*" else name
            return f"{_ENTRIES[section]} {where}: {_from_to(leaf)}"
        case ["drills", scenario, "result"]:
            before = "never run" if leaf.before is None else leaf.before
            return f"drill {scenario}: {before} -> {_shown(leaf.after)}"
        case ["digests", *rest]:
            return f"{' '.join(rest).replace('_', ' ')}: another content ({_from_to(leaf, 12)})"
        case ["sources", source, "state"]:
            return f"{source}: {_from_to(leaf)}"
        case _:
            return f"{' '.join(parts).replace('_', ' ')}: {_from_to(leaf)}"


def _gate(switch: str, leaf: Leaf) -> str:
    name, is_open_when = _GATES[switch]
    if leaf.after is None:
        return f"{name} is no longer told: unknown, and so not safe (it was {_shown(leaf.before)})"
    now = "OPENED" if leaf.after is is_open_when else "closed"
    if leaf.before is None:
        return f"{name} is told now: {_shown(leaf.after)} ({now.lower()})"
    return f"{name} {now}: {_from_to(leaf)}"


def _moved(key: str, leaf: Leaf) -> str:
    found = _BY_KEY.get(key)
    if found is None:
        return f"{key}: {_from_to(leaf)}"
    limit, spec = found
    is_number = isinstance(leaf.before, int | float) and isinstance(leaf.after, int | float)
    if not is_number:
        return f"{key} ({spec.name}): {_from_to(leaf)}"
    # Losses are written without a minus sign, so a larger one is farther away, too.
    grows_safe = limit.side is Side.BELOW and not limit.loss
    is_looser = (leaf.after > leaf.before) is not grows_safe
    return f"{key} ({spec.name}): {_from_to(leaf)}, {'LOOSER' if is_looser else 'tighter'}"


def _from_to(leaf: Leaf, most: int | None = None) -> str:
    return f"{_shown(leaf.before, most)} -> {_shown(leaf.after, most)}"


def _shown(value: object, most: int | None = None) -> str:
    match value:
        case None:
            return "unknown"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case list():
            return ", ".join(map(str, value)) or "none"
        case _:
            text = str(value)
            return text if most is None or len(text) <= most else f"{text[:most]}…"

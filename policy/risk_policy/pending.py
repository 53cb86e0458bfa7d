"""Keys that a policy may set and that change nothing yet.

They are accepted because users have them in their files, and named by ``riskwarden policy
check`` because a safeguard that is only written down protects nobody. Whatever makes a key
effective takes it off this table; a test watches what the parts read and fails until then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from risk_policy.model.policy import Policy

#: Keys, and tables of which no key has an effect.
NOT_YET_IN_EFFECT: Final[tuple[str, ...]] = ()


def is_pending(key: str) -> bool:
    """Whether a key has no effect yet."""
    return any(key == entry or key.startswith(entry + ".") for entry in NOT_YET_IN_EFFECT)


def without_effect(policy: Policy, written: Mapping[str, int]) -> dict[str, int]:
    """The written keys that change nothing by themselves although they ask for something.

    With the line that each stands in.

    What stands in a table that is switched off asks for nothing, and gets it.
    """
    return {
        key: line
        for key, line in written.items()
        if is_pending(key) and not _is_switched_off(policy, key)
    }


def _is_switched_off(policy: Policy, key: str) -> bool:
    node: object = policy
    for part in key.split(".")[:-1]:
        node = getattr(node, part, None)
        if getattr(node, "enabled", True) is False:
            return True
    return False

"""What is wrong with the channels that take over from others."""

from __future__ import annotations

from collections.abc import Iterator

from risk_policy.errors import Problem
from risk_policy.model.names import CHANNELS
from risk_policy.values import Values

_CHANNELS = "alerting.channels"


def fallback_problems(values: Values) -> Iterator[Problem]:
    """Lists of channels of which one could never take anything over."""
    for name in CHANNELS:
        key = f"{_CHANNELS}.{name}.fallback"
        listed = values.get(key)
        if not isinstance(listed, list | tuple):  # which is reported by itself
            continue
        listed = [one for one in listed if one in CHANNELS]  # what is no channel, too
        if name in listed:
            yield Problem(
                key,
                repr(name),
                "is the channel itself, which cannot take over from itself; take it off the list",
            )
        for other in dict.fromkeys(one for one in listed if listed.count(one) > 1):
            yield Problem(key, repr(other), "is listed more than once; once is enough")
        if values.get(f"{_CHANNELS}.{name}.enabled") is not True:
            continue  # it has nothing that could be taken over
        for other in dict.fromkeys(listed):
            if not values.get(f"{_CHANNELS}.{other}.enabled"):
                yield Problem(
                    key,
                    repr(other),
                    "is not enabled and would take over nothing; set "
                    f"{_CHANNELS}.{other}.enabled = true, or take it off the list",
                )

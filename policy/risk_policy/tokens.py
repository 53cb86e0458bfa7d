"""What is wrong with the tokens between the parts, as far as their variables tell."""

from __future__ import annotations

from collections.abc import Iterator

from risk_policy.environment import variables
from risk_policy.errors import Problem
from risk_policy.model.stack import Auth
from risk_policy.values import Values

_AUTH = "alerting.auth"
#: Of another part than all others, and shown by the runtime, which may have one token for both.
_OF_THE_EXPORTER = "snapshot_token"


def token_problems(values: Values) -> Iterator[Problem]:
    """Two tokens of one variable: the part that checks both would refuse to start."""
    first_with: dict[str, str] = {}
    # What the file writes is named rather than a default that it repeats.
    keys = sorted(
        (f"{_AUTH}.{name}" for name in Auth.model_fields if name != _OF_THE_EXPORTER),
        key=values.is_written,
    )
    for key in keys:
        template = str(values.get(key))
        if not variables(template):  # no reference, which is reported by itself
            continue
        twin = first_with.setdefault(template, key)
        if twin != key:
            message = (
                f"is the token of {twin} too: whoever may do the one could do the other; name a "
                "variable of its own"
            )
            yield Problem(key, repr(template), message)

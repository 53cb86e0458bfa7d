"""What an operator says and shows, as the receivers take it and the commands send it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints

from risk_policy.contracts.scope import Scope

#: Characters; longer ones would push everything else out of a message.
LONGEST_REASON: Final = 500
LONGEST_NAME: Final = 100

#: Why; it goes on record.
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_REASON)
]
#: What a kill can cover beside everything: what a runtime knows of every position it holds.
KILL_SCOPE_LABELS: Final = ("account", "strategy", "venue", "symbol")
#: Of a scope as text.
LONGEST_SCOPE: Final = 500


def kill_scope(text: str) -> Scope:
    """What a kill is to cover. Raises ValueError that says what is wrong with the text."""
    scope = Scope.parse(text)
    if others := [name for name in scope.labels if name not in KILL_SCOPE_LABELS]:
        raise ValueError(
            f"{others[0]} is no scope of the kill switch: it covers everything (*) or what "
            f"{', '.join(KILL_SCOPE_LABELS[:-1])} and {KILL_SCOPE_LABELS[-1]} name; what a whole "
            f"{others[0]} may do is a matter of the policy's limits"
        )
    return scope


#: The same, in a request.
KillScope = Annotated[
    str,
    StringConstraints(max_length=LONGEST_SCOPE),
    AfterValidator(lambda text: str(kill_scope(text))),
]
#: Who.
OperatorName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME)
]

#: A token of somebody, anywhere: ``rw_<id>_<secret>``.
GIVEN_TOKEN: Final = r"rw_[0-9a-f]{12}_[0-9a-f]{64}"  # noqa: S105 - its form

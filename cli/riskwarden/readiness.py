"""Whether the parts would start on a policy, asked of the parts themselves.

A policy can be right in itself and still be refused at start. Tokens are not asked for: they
belong to the environment of the parts and not to the policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from risk_policy import Policy, Problem, UnsetVariableError
from risk_receivers.database.server import dsn_problem


def start_problems(policy: Policy, lines: Mapping[str, int]) -> Iterator[Problem]:
    """Why the receivers would refuse to start; ``lines`` says where each key is written."""
    if not policy.alerting.enabled:
        key = "alerting.enabled"
        message = "the receivers refuse to start with nothing to receive; set it to true"
        yield Problem(key, "false", message, lines.get(key, 0))
    yield from _store_problems(policy, lines)


def _store_problems(policy: Policy, lines: Mapping[str, int]) -> Iterator[Problem]:
    """What the environment says of where the record is kept, as far as it says it here."""
    settings = policy.alerting.audit
    if settings.storage_backend != "postgresql":
        return
    try:
        problem = dsn_problem(settings.postgresql.dsn.reveal())
    except UnsetVariableError:
        return
    if problem:
        key = "alerting.audit.postgresql.dsn"
        yield Problem(
            key, repr(str(settings.postgresql.dsn)), f"what it holds {problem}", lines.get(key, 0)
        )

"""Whether the parts would start on a policy, asked of the parts themselves.

A policy can be right in itself and still be refused at start. Tokens are not asked for: they
belong to the environment of the parts and not to the policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from risk_policy import Policy, Problem


def start_problems(policy: Policy, lines: Mapping[str, int]) -> Iterator[Problem]:
    """Why the receivers would refuse to start; ``lines`` says where each key is written."""
    if not policy.alerting.enabled:
        key = "alerting.enabled"
        message = "the receivers refuse to start with nothing to receive; set it to true"
        yield Problem(key, "false", message, lines.get(key, 0))

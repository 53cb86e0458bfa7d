"""Reference documents that are generated from the policy and the catalogue, as Markdown."""

from __future__ import annotations

from risk_policy import Policy
from riskwarden.reference.catalogues import alerts, metrics
from riskwarden.reference.policy_keys import policy_keys
from riskwarden.reference.runbooks import runbooks


def reference(policy: Policy) -> dict[str, str]:
    """File name -> content of the reference."""
    return {
        "alerts.md": alerts(policy),
        "metrics.md": metrics(policy),
        "policy.md": policy_keys(policy),
    }


__all__ = ["reference", "runbooks"]

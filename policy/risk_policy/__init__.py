"""The policy: every threshold, and the words, metrics and contracts all parts share."""

from risk_policy.errors import (
    InvalidPolicyError,
    PolicyError,
    Problem,
    UnfitTokenError,
    UnreadableVariableError,
    UnsetVariableError,
)
from risk_policy.loader import (
    default_policy_path,
    load_policy,
    parse_policy,
    read_values,
    written_keys,
    written_places,
)
from risk_policy.model import Policy

__all__ = [
    "InvalidPolicyError",
    "Policy",
    "PolicyError",
    "Problem",
    "UnfitTokenError",
    "UnreadableVariableError",
    "UnsetVariableError",
    "default_policy_path",
    "load_policy",
    "parse_policy",
    "read_values",
    "written_keys",
    "written_places",
]

"""The typed policy: one frozen model per section of ``alerting.toml``."""

from risk_policy.model.policy import Policy

__all__ = ["Policy"]

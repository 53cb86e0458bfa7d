"""From the policy to Prometheus: alert rules, configuration, and tests that prove the rules.

Pure: policy in, text out. Nothing here reads, writes or starts anything.
"""

from risk_rules.errors import ExpressionError, NoRulesError, RulesError
from risk_rules.generate import generate, generate_rules
from risk_rules.prometheus import prometheus_config

__all__ = [
    "ExpressionError",
    "NoRulesError",
    "RulesError",
    "generate",
    "generate_rules",
    "prometheus_config",
]

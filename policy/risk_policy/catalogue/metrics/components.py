"""What several components publish about themselves."""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.metrics.metric import Metric

# -- every component -----------------------------------------------------------------------
POLICY_INFO: Final = Metric(
    "risk_policy_info",
    "SHA-256 of the policy file a component runs on; always 1.",
    ("component", "digest"),
)

UNEXPECTED_ERRORS: Final = Metric(
    "risk_unexpected_errors_total",
    "Exceptions that nobody had planned for, by component.",
    ("component",),
    kind="counter",
)
DISK_FREE: Final = Metric(
    "risk_disk_free_ratio", "Free share of the disk that a component writes to.", ("component",)
)

"""What can be wrong with a dashboard before Grafana sees it."""

from __future__ import annotations

from risk_policy.errors import PolicyError


class DashboardError(PolicyError):
    """A panel asks for what there is not, or does not fit."""

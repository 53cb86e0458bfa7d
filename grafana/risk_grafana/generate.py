"""Everything that is generated under ``grafana/``."""

from __future__ import annotations

from risk_grafana.build import render
from risk_grafana.dashboards import DASHBOARDS
from risk_grafana.provisioning import provisioning
from risk_policy.model import Policy


def generate(policy: Policy) -> dict[str, str]:
    """The dashboards: file name -> content. Raises DashboardError or ArtefactError."""
    described = [make(policy) for make in DASHBOARDS]
    return {f"{one.name}.json": render(policy, one) for one in described}


__all__ = ["generate", "provisioning"]

"""From the policy and the metric catalogue to Grafana: dashboards, and how they are provisioned.

Pure: policy in, text out. Nothing here reads, writes or starts anything.
"""

from risk_grafana.errors import DashboardError
from risk_grafana.generate import generate, provisioning

__all__ = ["DashboardError", "generate", "provisioning"]

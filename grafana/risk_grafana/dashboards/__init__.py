"""Every dashboard there is, one file each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from risk_grafana.dashboards.alerts import alerts
from risk_grafana.dashboards.audit import audit
from risk_grafana.dashboards.delivery import delivery
from risk_grafana.dashboards.drawdown import drawdown
from risk_grafana.dashboards.kill_switch import kill_switch
from risk_grafana.dashboards.latency import latency
from risk_grafana.dashboards.overview import overview
from risk_grafana.dashboards.positions import positions
from risk_grafana.dashboards.security import security
from risk_grafana.dashboards.sla import sla
from risk_grafana.panel import Dashboard
from risk_policy import Policy

#: In the order in which somebody reads them.
DASHBOARDS: Final[tuple[Callable[[Policy], Dashboard], ...]] = (
    overview,
    positions,
    drawdown,
    alerts,
    kill_switch,
    delivery,
    audit,
    latency,
    security,
    sla,
)

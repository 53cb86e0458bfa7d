"""What can be chosen above the panels: the data source, job and instance, and what is held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from grafana_foundation_sdk.models import common, dashboard

from risk_grafana.panel import Dashboard
from risk_grafana.promql import choices
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics.foreign import UP
from risk_policy.contracts.jobs import JOBS

#: The provisioned data source, for good: dashboards and links refer to it.
DATASOURCE_UID: Final = "riskwarden-prometheus"
DATASOURCE_NAME: Final = "Riskwarden Prometheus"
_EVERY: Final = ".+"

#: Where the values of each come from: what has it, of which a runtime may tell only some, and by
#: what else they are narrowed. Those that narrow come first.
_FROM: Final[Mapping[str, str]] = {
    "job": choices(UP, "job", job=tuple(JOBS)),
    "instance": choices(UP, "instance", "job"),
    "account": choices(m.EQUITY, "account", "job", "instance"),
    "strategy": choices((m.STRATEGY_USAGE, m.TRADE_EDGE), "strategy", "account"),
    "venue": choices(
        (m.VENUE_USAGE, m.WEBSOCKET_LAG, m.ORDER_PLACEMENT, m.ORDER_FILL), "venue", "account"
    ),
    "symbol": choices(
        (m.POSITION_SIZE, m.SPREAD, m.ATR_BASELINE, m.PRICE_RANGE), "symbol", "account"
    ),
}


def datasource() -> common.DataSourceRef:
    """Whichever is chosen."""
    return common.DataSourceRef(type_val="prometheus", uid="${datasource}")


def of(described: Dashboard) -> list[dashboard.VariableModel]:
    """Every variable of a dashboard, in the order in which they depend on each other."""
    return [
        _datasource(),
        *(_variable(name) for name in ("job", "instance", *described.variables)),
    ]


def _datasource() -> dashboard.VariableModel:
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.DATASOURCE,
        name="datasource",
        label="Data source",
        description="The Prometheus that watches the accounts.",
        query="prometheus",
        regex="",
        current=dashboard.VariableOption(selected=True, text=DATASOURCE_NAME, value=DATASOURCE_UID),
        refresh=dashboard.VariableRefresh.ON_DASHBOARD_LOAD,
        hide=dashboard.VariableHide.DONT_HIDE,
        options=[],
    )


def _variable(name: str) -> dashboard.VariableModel:
    query = _FROM[name]
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.QUERY,
        name=name,
        label=name.capitalize(),
        datasource=datasource(),
        query={"query": query, "refId": f"variable-{name}"},
        definition=query,
        multi=True,
        include_all=True,
        all_value=_EVERY,
        current=dashboard.VariableOption(selected=True, text=["All"], value=["$__all"]),
        refresh=dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=dashboard.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC,
        hide=dashboard.VariableHide.DONT_HIDE,
        regex="",
        options=[],
    )

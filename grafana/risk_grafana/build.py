"""From a dashboard's table to the JSON that Grafana reads."""

from __future__ import annotations

import json
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard, prometheus

from risk_grafana import marks, shapes, variables
from risk_grafana.layout import Place, placed
from risk_grafana.panel import Dashboard, Panel, Query, Row, Shape
from risk_policy.contracts.artefact import ArtefactError, duration
from risk_policy.contracts.jobs import own_scrape_seconds
from risk_policy.model import Policy
from risk_policy.model.base import split_endpoint

#: What all of them are found by, and link to each other by.
TAG: Final = "riskwarden"
_EVERYWHERE: Final = ("0.0.0.0", "::", "")  # noqa: S104 - nothing is bound here
_REFRESH: Final = ["5s", "10s", "30s", "1m", "5m", "15m", "1h"]


def render(policy: Policy, described: Dashboard) -> str:
    """A dashboard's file. Raises DashboardError, or ArtefactError for a policy without digest."""
    if not policy.digest:
        raise ArtefactError("the policy has no digest; read it from its file with load_policy")
    built = build(policy, described)
    return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def build(policy: Policy, described: Dashboard) -> dashboard.Dashboard:
    """A dashboard as Grafana's own library has it."""
    return dashboard.Dashboard(
        uid=described.uid,
        title=described.title,
        description=(
            f"{described.about}\n\nDO NOT EDIT: `riskwarden generate` writes this file from the "
            f"policy; change that.\npolicy sha256: {policy.digest}"
        ),
        tags=[TAG],
        timezone="browser",
        editable=False,
        graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
        time=dashboard.DashboardDashboardTime(from_val=described.since, to="now"),
        timepicker=dashboard.TimePickerConfig(refresh_intervals=_REFRESH),
        refresh=described.refresh,
        version=1,
        panels=[
            _panel(policy, part, place, number)
            if isinstance(part, Panel)
            else _row(part, place, number)
            for number, (part, place) in enumerate(placed(described), 1)
        ],
        templating=dashboard.DashboardDashboardTemplating(variables.of(described)),
        annotations=dashboard.AnnotationContainer(marks.all_of_them()),
        links=_links(policy),
    )


def _row(row: Row, place: Place, number: int) -> dashboard.RowPanel:
    return dashboard.RowPanel(title=row.title, id_val=number, grid_pos=_grid(place), panels=[])


def _panel(policy: Policy, panel: Panel, place: Place, number: int) -> dashboard.Panel:
    fields = shapes.fields(panel)
    if panel.names_alerts and fields.defaults is not None:
        url = policy.alerting.runbooks.base_url + "${__field.labels.alertname}"
        fields.defaults.links = [_link("Runbook of ${__field.labels.alertname}", url)]
    return dashboard.Panel(
        type_val=panel.shape.value,
        id_val=number,
        title=panel.title,
        description=panel.about,
        datasource=variables.datasource(),
        grid_pos=_grid(place),
        targets=[_target(policy, panel, query, index) for index, query in enumerate(panel.queries)],
        links=[
            *(_to_console(policy) if panel.in_console else ()),
            *(
                _link(f"Runbook: {name}", policy.alerting.runbooks.base_url + name)
                for name in panel.runbooks
            ),
        ],
        max_data_points=panel.points,
        transformations=_transformations(panel),
        options=shapes.options(panel),
        field_config=fields,
    )


def _target(policy: Policy, panel: Panel, query: Query, index: int) -> prometheus.Dataquery:
    is_table = panel.shape is Shape.TABLE
    formats = prometheus.PromQueryFormat
    return prometheus.Dataquery(
        ref_id=shapes.ref_id(index),
        datasource=variables.datasource(),
        editor_mode=prometheus.QueryEditorMode.CODE,
        expr=query.expression.text,
        legend_format=query.legend,
        format_val=formats.TABLE if is_table else formats.TIME_SERIES,
        instant=panel.is_instant,
        range_val=not panel.is_instant,
        # The least step, and what $__rate_interval is computed from instead of the data source's.
        interval=duration(own_scrape_seconds(policy)) if query.expression.is_rare else None,
    )


def _transformations(panel: Panel) -> list[dashboard.DataTransformerConfig] | None:
    """A table has one line for each combination of labels, and one column for each query."""
    if panel.shape is not Shape.TABLE:
        return None
    columns = {shapes.column(panel, n): query.legend for n, query in enumerate(panel.queries)}
    # As the first query's is called while none of the others finds anything.
    columns.setdefault("Value", panel.queries[0].legend)
    return [
        dashboard.DataTransformerConfig(id_val="merge", options={}),
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={"excludeByName": {"Time": True}, "renameByName": columns},
        ),
    ]


def _links(policy: Policy) -> list[dashboard.DashboardLink]:
    others = dashboard.DashboardLink(
        title="Riskwarden",
        type_val=dashboard.DashboardLinkType.DASHBOARDS,
        icon="external link",
        tooltip="The other dashboards",
        tags=[TAG],
        as_dropdown=True,
        include_vars=True,
        keep_time=True,
    )
    return [_in_sight(others), *_to_console(policy)]


def _to_console(policy: Policy) -> list[dashboard.DashboardLink]:
    """None where no console is served."""
    if not policy.alerting.dashboard.enabled:
        return []
    return [_link("Operator console", _console(policy))]


def _in_sight(link: dashboard.DashboardLink) -> dashboard.DashboardLink:
    """Above the panels: the library puts it into a menu, where some Grafanas show no link."""
    link.placement = None  # type: ignore[assignment]  # as the schema has it
    return link


def _console(policy: Policy) -> str:
    """Where browsers reach the operator console."""
    served = policy.alerting.dashboard
    if not served.tls.is_served:
        return f"http://{policy.alerting.endpoints.receivers}/"
    host = served.host
    if host in _EVERYWHERE:  # which is no address that a browser could go to
        host, _ = split_endpoint(policy.alerting.endpoints.receivers)
    return f"https://{f'[{host}]' if ':' in host else host}:{served.port}/"


def _link(title: str, url: str) -> dashboard.DashboardLink:
    return _in_sight(
        dashboard.DashboardLink(
            title=title,
            type_val=dashboard.DashboardLinkType.LINK,
            icon="external link",
            tooltip=title,
            url=url,
            tags=[],
            target_blank=True,
        )
    )


def _grid(place: Place) -> dashboard.GridPos:
    return dashboard.GridPos(h=place.height, w=place.width, x=place.x, y=place.y)

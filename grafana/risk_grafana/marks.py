"""What is marked in every panel: while the kill switch was tripped, while alerts were acknowledged.

Prometheus's samples that follow each other become one region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.models import dashboard, prometheus

from risk_grafana.panel import Colour, Query
from risk_grafana.promql import Expression, clock, series
from risk_grafana.variables import datasource
from risk_policy.catalogue import metrics as m

#: Between two looks. A region has to last for longer to be seen as one.
_STEP: Final = "10s"


@dataclass(frozen=True, slots=True)
class Mark:
    """What is marked, and how."""

    name: str
    query: Query
    text: str
    colour: Colour
    tags: tuple[str, ...] = ()


def _remaining() -> Expression:
    """For how much longer each acknowledgement holds."""
    return (series(m.ACK_UNTIL).by("max", "risk_id", "tier") - clock()).above(0)


MARKS: Final = (
    Mark(
        "Kills",
        Query(series(m.KILLS).by("max", "scope").above(0), "Kill switch tripped: {{scope}}"),
        "Orders that add risk are refused for as long as this lasts.",
        Colour.WORST,
        ("scope",),
    ),
    Mark(
        "Acknowledgements",
        Query(_remaining(), "Acknowledged: {{risk_id}} {{tier}}"),
        "Somebody deals with it; escalation waits.",
        Colour.CALM,
        ("risk_id", "tier"),
    ),
)


def all_of_them() -> list[dashboard.AnnotationQuery]:
    """Those of every dashboard."""
    return [_annotation(mark) for mark in MARKS]


def _annotation(mark: Mark) -> dashboard.AnnotationQuery:
    found = dashboard.AnnotationQuery(
        name=mark.name,
        datasource=datasource(),
        enable=True,
        icon_color=mark.colour.value,
        expr=mark.query.expression.text,
        step=_STEP,
        title_format=mark.query.legend,
        text_format=mark.text,
        tag_keys=",".join(mark.tags),
        use_value_for_time=False,
        target=prometheus.Dataquery(
            ref_id=f"annotation-{mark.name.lower()}",
            expr=mark.query.expression.text,
            interval=_STEP,
            range_val=True,
            instant=False,
        ),
    )
    # Above the panels, where it can be switched off: the library puts it into a menu.
    found.placement = None  # type: ignore[assignment]  # as the schema has it
    return found

"""How each shape of a panel is said to Grafana: its options and what its fields look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from grafana_foundation_sdk.models import (
    bargauge,
    common,
    dashboard,
    stat,
    statetimeline,
    table,
    timeseries,
)

from risk_grafana.panel import Colour, Panel, Shape, Steps
from risk_policy.vocabulary import Tier

#: What a threshold's line is called, and its colour.
THRESHOLD_LEGEND: Final = "threshold: {{tier}}"
TIER_COLOURS: Final = {
    Tier.WARNING: Colour.NOTICE,
    Tier.CRITICAL: Colour.BAD,
    Tier.EMERGENCY: Colour.WORST,
}
_TOOLTIP: Final = common.VizTooltipOptions(
    mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING
)
_LEGEND: Final = common.VizLegendOptions(
    display_mode=common.LegendDisplayMode.TABLE,
    placement=common.LegendPlacement.BOTTOM,
    show_legend=True,
    calcs=["lastNotNull", "max"],
)
#: More lines than this are read in a tooltip, not in a legend.
_NARROW: Final = 8


def fields(panel: Panel) -> dashboard.FieldConfigSource:
    """Unit, limits, colours and words of a panel."""
    defaults = dashboard.FieldConfig(
        unit=panel.unit.value,
        decimals=panel.unit.decimals,
        min_val=panel.least,
        max_val=panel.most,
        no_value="unknown",
        thresholds=thresholds(panel.steps),
        color=_colour(panel),
        mappings=_mappings(panel),
        custom=_CUSTOM[panel.shape](panel),
    )
    overrides = _columns(panel) if panel.shape is Shape.TABLE else _threshold_lines(panel)
    return dashboard.FieldConfigSource(defaults=defaults, overrides=overrides)


def options(panel: Panel) -> object:
    """What only panels of its shape have."""
    return _OPTIONS[panel.shape](panel)


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Where colours turn."""
    return dashboard.ThresholdsConfig(
        mode=dashboard.ThresholdsMode.ABSOLUTE,
        steps=[dashboard.Threshold(value=value, color=colour.value) for value, colour in steps],
    )


def column(panel: Panel, index: int) -> str:
    """What Grafana calls a table's query before it is renamed."""
    return "Value" if len(panel.queries) == 1 else f"Value #{ref_id(index)}"


def ref_id(index: int) -> str:
    """The name of a query within its panel."""
    return chr(ord("A") + index)


def _colour(panel: Panel) -> dashboard.FieldColor:
    by_name = panel.shape is Shape.LINES and not panel.words
    mode = dashboard.FieldColorModeId
    return dashboard.FieldColor(mode=mode.PALETTE_CLASSIC_BY_NAME if by_name else mode.THRESHOLDS)


def _mappings(panel: Panel) -> list[dashboard.ValueMapping]:
    """What values are called. What is not known would else have the colour of the lowest step."""
    if not (panel.words or panel.is_instant):
        return []
    unknown = dashboard.ValueMappingResult(text="unknown", color=Colour.UNKNOWN.value)
    nobody_knows = dashboard.SpecialValueMap(
        dashboard.DashboardSpecialValueMapOptions(
            match=dashboard.SpecialValueMatch.NULL_AND_NAN, result=unknown
        )
    )
    if not panel.words:
        return [nobody_knows]
    named = {
        str(value): dashboard.ValueMappingResult(text=text, color=colour.value, index=index)
        for index, (value, (text, colour)) in enumerate(panel.words.items())
    }
    # While an alert does not fire it has no value, and that is known.
    return [dashboard.ValueMap(options=named), *([] if panel.names_alerts else [nobody_knows])]


def _override(name: str, **properties: object) -> dashboard.DashboardFieldConfigSourceOverrides:
    return dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig(id_val="byName", options=name),
        properties=[
            dashboard.DynamicConfigValue(id_val=key.replace("__", "."), value=value)
            for key, value in properties.items()
        ],
    )


def _threshold_lines(panel: Panel) -> list[dashboard.DashboardFieldConfigSourceOverrides]:
    """Dashed, in the colour of their tier, and out of the way."""
    if not any(query.legend == THRESHOLD_LEGEND for query in panel.queries):
        return []
    return [
        _override(
            THRESHOLD_LEGEND.replace("{{tier}}", tier.value),
            color={"mode": "fixed", "fixedColor": colour.value},
            custom__lineStyle={"fill": "dash", "dash": [8, 8]},
            custom__lineWidth=1,
            custom__fillOpacity=0,
        )
        for tier, colour in TIER_COLOURS.items()
    ]


def _columns(panel: Panel) -> list[dashboard.DashboardFieldConfigSourceOverrides]:
    found = []
    for query in panel.queries:
        unit = query.expression.unit
        assert unit is not None
        more: dict[str, object] = {}
        if query.steps:
            more = {
                "thresholds": thresholds(query.steps),
                "custom__cellOptions": {"type": "color-text"},
            }
        found.append(_override(query.legend, unit=unit.value, decimals=unit.decimals, **more))
    return found


# -- one shape each ------------------------------------------------------------------------


def _number(panel: Panel) -> stat.Options:
    several = len(panel.queries) > 1 or "{{" in panel.queries[0].legend
    text = common.BigValueTextMode
    return stat.Options(
        graph_mode=common.BigValueGraphMode.NONE,
        color_mode=common.BigValueColorMode.BACKGROUND
        if panel.words
        else common.BigValueColorMode.VALUE,
        justify_mode=common.BigValueJustifyMode.AUTO,
        text_mode=text.VALUE_AND_NAME if several else text.VALUE,
        reduce_options=_last(panel),
        orientation=common.VizOrientation.AUTO,
    )


def _bars(panel: Panel) -> bargauge.Options:
    return bargauge.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        value_mode=common.BarGaugeValueMode.TEXT,
        show_unfilled=True,
        reduce_options=_last(panel),
        orientation=common.VizOrientation.HORIZONTAL,
    )


def _last(panel: Panel) -> common.ReduceDataOptions:
    return common.ReduceDataOptions(values=False, calcs=[panel.calculation], fields="")


def _lines(panel: Panel) -> timeseries.Options:
    compact = common.VizLegendOptions(
        display_mode=common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.BOTTOM,
        show_legend=True,
        calcs=[],
    )
    return timeseries.Options(
        legend=compact if panel.width < _NARROW else _LEGEND, tooltip=_TOOLTIP
    )


def _states(_: Panel) -> statetimeline.Options:
    return statetimeline.Options(
        show_value=common.VisibilityMode.NEVER,
        row_height=0.85,
        merge_values=True,
        legend=common.VizLegendOptions(
            display_mode=common.LegendDisplayMode.LIST,
            placement=common.LegendPlacement.BOTTOM,
            show_legend=True,
            calcs=[],
        ),
        tooltip=common.VizTooltipOptions(
            mode=common.TooltipDisplayMode.SINGLE, sort=common.SortOrder.NONE
        ),
    )


def _table(_: Panel) -> table.Options:
    return table.Options(show_header=True, cell_height=common.TableCellHeight.SM)


def _drawn(panel: Panel) -> timeseries.FieldConfig:
    off = common.GraphThresholdsStyleConfig(mode=common.GraphThresholdsStyleMode.OFF)
    dashed = common.GraphThresholdsStyleConfig(mode=common.GraphThresholdsStyleMode.DASHED)
    mode = common.StackingMode.NORMAL if panel.stacked else common.StackingMode.NONE
    return timeseries.FieldConfig(
        draw_style=common.GraphDrawStyle.LINE,
        line_interpolation=common.LineInterpolation.LINEAR,
        line_width=2,
        fill_opacity=25 if panel.stacked else 8,
        show_points=common.VisibilityMode.NEVER,
        span_nulls=False,
        axis_soft_min=panel.least,
        stacking=common.StackingConfig(mode=mode, group="A"),
        thresholds_style=dashed if len(panel.steps) > 1 else off,
    )


def _timeline(_: Panel) -> statetimeline.FieldConfig:
    return statetimeline.FieldConfig(line_width=0, fill_opacity=80)


def _cells(_: Panel) -> table.FieldConfig:
    return table.FieldConfig(filterable=True, inspect=False)


def _nothing(_: Panel) -> None:
    return None


_OPTIONS: Final[Mapping[Shape, Callable[[Panel], object]]] = {
    Shape.NUMBER: _number,
    Shape.LINES: _lines,
    Shape.BARS: _bars,
    Shape.TABLE: _table,
    Shape.STATES: _states,
}
_CUSTOM: Final[Mapping[Shape, Callable[[Panel], object | None]]] = {
    Shape.NUMBER: _nothing,
    Shape.LINES: _drawn,
    Shape.BARS: _nothing,
    Shape.TABLE: _cells,
    Shape.STATES: _timeline,
}

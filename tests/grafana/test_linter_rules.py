"""The rules of Grafana's dashboard-linter, each by the name under which it is published.

https://github.com/grafana/dashboard-linter. What rules record has neither job nor instance, which
is the one exception from its rules here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import grafana_queries
import pytest
from grafana_foundation_sdk.models import units
from grafana_queries import replaced
from promql_parser import Call, MatrixSelector, VectorSelector, parse

from risk_policy.catalogue.metrics import METRICS, POLICY_INFO
from risk_policy.catalogue.metrics.foreign import FOREIGN
from risk_rules.lint.tree import walk

BOARDS = grafana_queries.dashboards()
RECORDED = {
    metric.name for metric in {**METRICS, **FOREIGN}.values() if metric.component == "rules"
}
#: What Grafana's units are called in its library for Python.
UNITS = {value for value in vars(units).values() if isinstance(value, str)}

Board = dict[str, Any]


@pytest.fixture(params=sorted(BOARDS))
def board(request: pytest.FixtureRequest) -> Board:
    return BOARDS[request.param]


def variable(board: Board, name: str) -> dict[str, Any]:
    (found,) = [one for one in board["templating"]["list"] if one["name"] == name]
    return dict(found)


def targets(board: Board) -> Iterator[dict[str, Any]]:
    for panel in grafana_queries.panels(board):
        yield from panel["targets"]


def parsed(expression: str) -> Any:
    return parse(replaced(expression, scrape_seconds=1, range_seconds=3600))


def test_template_datasource_rule(board: Board) -> None:
    found = [one for one in board["templating"]["list"] if one["type"] == "datasource"]
    assert [(one["name"], one["label"], one["query"]) for one in found] == [
        ("datasource", "Data source", "prometheus")
    ]


@pytest.mark.parametrize("name", ["job", "instance"])
def test_template_job_rule_and_template_instance_rule(board: Board, name: str) -> None:
    found = variable(board, name)
    assert found["datasource"]["uid"] == "${datasource}"
    assert (found["type"], found["label"]) == ("query", name.capitalize())
    assert found["multi"]
    assert found["allValue"] == ".+"


def test_template_label_promql_rule(board: Board) -> None:
    for one in board["templating"]["list"]:
        if one["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), \w+\)", one["query"]["query"])
            assert found
            parsed(found[1])


def test_template_on_time_change_reload_rule(board: Board) -> None:
    for one in board["templating"]["list"]:
        assert one["type"] != "query" or one["refresh"] == 2


def test_template_unused_rule(board: Board) -> None:
    text = "\n".join(target["expr"] for target in targets(board))
    for one in board["templating"]["list"]:
        assert one["type"] == "datasource" or f"${one['name']}" in text, one["name"]


def test_panel_datasource_rule(board: Board) -> None:
    for panel in grafana_queries.panels(board):
        for one in (panel, *panel["targets"]):
            assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for mark in board["annotations"]["list"]:
        assert mark["datasource"]["uid"] == "${datasource}"


def test_panel_title_description_rule(board: Board) -> None:
    for panel in grafana_queries.panels(board):
        assert panel["title"]
        assert panel["description"].endswith(".")


def test_panel_units_rule(board: Board) -> None:
    for panel in grafana_queries.panels(board):
        fields = panel["fieldConfig"]
        assert fields["defaults"]["unit"] in UNITS
        for override in fields["overrides"]:
            for one in override["properties"]:
                assert one["id"] != "unit" or one["value"] in UNITS


def test_panel_no_targets_rule(board: Board) -> None:
    assert all(panel["targets"] for panel in grafana_queries.panels(board))


def test_target_promql_rule(board: Board) -> None:
    for target in targets(board):
        parsed(target["expr"])


def test_target_rate_interval_rule(board: Board) -> None:
    for target in targets(board):
        for window in re.findall(r"\bi?rate\([^\[]*\[([^\]]+)\]", target["expr"]):
            assert window == "$__rate_interval", target["expr"]


@pytest.mark.parametrize("name", ["job", "instance"])
def test_target_job_rule_and_target_instance_rule(board: Board, name: str) -> None:
    for target in targets(board):
        for selector in re.findall(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}", target["expr"]):
            metric, matchers = selector
            own = re.findall(rf'(?:^|,){name}(=~?"[^"]*")', matchers)
            if metric in RECORDED:
                assert own == [], "what rules record belongs to no target"
            elif metric == POLICY_INFO.name:
                assert own == [f'=~"${name}|"'], "the rules' own belongs to no target"
            elif name == "job" and own != ['=~"$job"']:
                assert len(own) == 1, "pinned, where only some of the parts are meant"
                assert own[0].startswith('=~"riskwarden-exporter|'), target["expr"]
            else:
                assert own == [f'=~"${name}"'], target["expr"]


def test_target_counter_agg_rule(board: Board) -> None:
    for target in targets(board):
        every = list(walk(parsed(target["expr"])))
        grown = {
            str(argument.vector_selector)
            for call in every
            if isinstance(call, Call) and call.func.name in ("rate", "irate", "increase")
            for argument in call.args
            if isinstance(argument, MatrixSelector)
        }
        for node in every:
            if isinstance(node, VectorSelector) and str(node.name).endswith(("_total", "_bucket")):
                assert str(node) in grown, target["expr"]


def test_uneditable_dashboard_rule(board: Board) -> None:
    assert board["editable"] is False

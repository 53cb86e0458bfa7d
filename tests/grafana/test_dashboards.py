"""Dashboards as Grafana reads them: whole, without overlaps, and with somewhere to go."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import grafana_queries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from stack_under_test import edited_policy

import risk_grafana
from risk_policy import Policy, load_policy
from risk_policy.catalogue import system
from risk_policy.catalogue.limits import LIMITS

Boards = dict[str, dict[str, Any]]


def test_every_subject_has_its_dashboard(dashboards: Boards) -> None:
    assert set(dashboards) == {
        "overview", "positions", "drawdown", "alerts", "kill-switch", "delivery", "audit",
        "latency", "security", "sla",
    }  # fmt: skip
    assert len({board["title"] for board in dashboards.values()}) == len(dashboards)
    for name, board in dashboards.items():
        assert board["uid"] == f"riskwarden-{name}"
        assert len(board["uid"]) <= 40


def test_each_says_that_it_is_generated_and_from_which_policy(
    dashboards: Boards, policy: Policy
) -> None:
    for board in dashboards.values():
        assert "DO NOT EDIT" in board["description"]
        assert f"policy sha256: {policy.digest}" in board["description"]


def test_what_is_committed_is_what_the_policy_says_every_time(policy: Policy) -> None:
    first = risk_grafana.generate(policy)
    assert risk_grafana.generate(policy) == first
    for name, text in first.items():
        assert (grafana_queries.GENERATED / name).read_text("utf-8") == text


def test_grafanas_own_library_reads_each_and_writes_the_same(dashboards: Boards) -> None:
    register_default_plugins()
    for board in dashboards.values():
        read = Dashboard.from_json(board)
        written = json.loads(json.dumps(read, cls=JSONEncoder))
        # Which it adds by a mistake of its own as it reads; see below.
        assert _in_sight(written) == board


def test_links_and_marks_stand_above_the_panels_and_in_no_menu(dashboards: Boards) -> None:
    """A Grafana that knows of placements shows no link at all that is to be in its menu."""
    for board in dashboards.values():
        assert _in_sight(board) == board
        assert len(board["links"]) == 2


def test_ids_are_unique_and_nothing_overlaps_or_leaves_the_grid(dashboards: Boards) -> None:
    for name, board in dashboards.items():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))
        titles = [panel["title"] for panel in grafana_queries.panels(board)]
        assert all(titles), name
        places = [panel["gridPos"] for panel in board["panels"]]
        for place in places:
            assert place["x"] >= 0
            assert place["x"] + place["w"] <= 24
        for one, other in itertools.combinations(places, 2):
            apart = (
                one["x"] + one["w"] <= other["x"]
                or other["x"] + other["w"] <= one["x"]
                or one["y"] + one["h"] <= other["y"]
                or other["y"] + other["h"] <= one["y"]
            )
            assert apart, (name, one, other)


def test_queries_of_a_panel_have_names_of_their_own(dashboards: Boards) -> None:
    for board in dashboards.values():
        for panel in grafana_queries.panels(board):
            names = [target["refId"] for target in panel["targets"]]
            assert len(names) == len(set(names))


def test_links_lead_to_runbooks_that_there_are_and_to_the_console(
    dashboards: Boards, policy: Policy
) -> None:
    base = policy.alerting.runbooks.base_url
    known = {spec.name for limit in LIMITS for spec in limit.alerts}
    known |= {alert.name for alert in system.SYSTEM_ALERTS}
    linked, acted_on = set(), set()
    for board in dashboards.values():
        others, console = board["links"]
        assert (others["type"], others["tags"]) == ("dashboards", ["riskwarden"])
        assert "riskwarden" in board["tags"]
        assert console["url"] == f"http://{policy.alerting.endpoints.receivers}/"
        for panel in grafana_queries.panels(board):
            for link in panel.get("links", ()):
                if link["title"] == "Operator console":
                    assert link["url"] == console["url"]
                    acted_on.add(panel["title"])
                    continue
                assert link["url"].startswith(base)
                linked.add(link["url"].removeprefix(base))
    assert {"Kill switch", "Tripped", "What fires", "Dead letters", "Chain"} <= acted_on
    assert linked <= known
    assert {"DRAWDOWN_EMERGENCY", "RISK_AUDIT_CHAIN_BROKEN", "RISK_CHANNEL_FAILING"} <= linked


def test_every_limit_is_drawn_with_its_thresholds_and_leads_to_its_runbooks(
    dashboards: Boards,
) -> None:
    drawn = {
        limit.name
        for limit in LIMITS
        for board in dashboards.values()
        for panel in grafana_queries.panels(board)
        if any(f'risk_threshold{{limit="{limit.name}"}}' in one["expr"] for one in panel["targets"])
        and {spec.name for spec in limit.alerts} <= _runbooks(panel)
    }
    assert {limit.name for limit in LIMITS} == drawn


def test_what_takes_the_whole_range_is_not_asked_at_a_thousand_points(dashboards: Boards) -> None:
    found = 0
    for board in dashboards.values():
        for panel in grafana_queries.panels(board):
            for target in panel["targets"]:
                if "$__range]" in target["expr"]:
                    assert target["instant"] or panel["maxDataPoints"] <= 60, panel["title"]
                    found += 1
    assert found > 30


def test_what_is_shown_as_now_is_neither_old_nor_green_when_nobody_knows_it(
    dashboards: Boards,
) -> None:
    unknown = {"match": "null+nan", "result": {"text": "unknown", "color": "#808080"}}
    for board in dashboards.values():
        for panel in grafana_queries.panels(board):
            if panel["type"] in ("stat", "bargauge", "table"):
                assert all(one["instant"] and not one["range"] for one in panel["targets"])
                mappings = panel["fieldConfig"]["defaults"]["mappings"]
                assert mappings[-1] == {"type": "special", "options": unknown}, panel["title"]
            assert panel["fieldConfig"]["defaults"]["noValue"] == "unknown"


def test_kills_and_acknowledgements_are_marked_everywhere(dashboards: Boards) -> None:
    for board in dashboards.values():
        marks = {mark["name"]: mark["expr"] for mark in board["annotations"]["list"]}
        assert "risk_kill_switch_kills" in marks["Kills"]
        assert "risk_ack_until_seconds" in marks["Acknowledgements"]


def test_what_can_be_chosen_is_what_panels_depend_on(dashboards: Boards) -> None:
    every = {name: _chosen(board) for name, board in dashboards.items()}
    assert every["positions"] == {"account", "strategy", "venue", "symbol"}
    assert every["drawdown"] == {"account"}
    assert every["audit"] == set()
    for board in dashboards.values():
        for variable in board["templating"]["list"][1:]:
            assert variable["multi"]
            assert variable["includeAll"]
            assert variable["current"]["value"] == ["$__all"]


def test_colours_turn_where_the_policy_has_each_tier_begin(tmp_path: Path) -> None:
    edits = (
        ("max_drawdown_critical_pct = 15", "max_drawdown_critical_pct = 17"),
        ("\nvar_warning_pct = 80", "\nvar_warning_pct = 60"),
        ("daily_loss_breach_pct = 5", "daily_loss_breach_pct = 4"),
    )
    files = risk_grafana.generate(load_policy(edited_policy(tmp_path, *edits), {}))
    now = {
        panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        for panel in grafana_queries.panels(json.loads(files["drawdown.json"]))
        if panel["type"] == "stat"
    }
    assert [(one["value"], one["color"]) for one in now["Drawdown"]] == [
        (None, "green"), (0.1, "yellow"), (0.17, "orange"), (0.2, "red"),
    ]  # fmt: skip
    assert [(one["value"], one["color"]) for one in now["Today"]] == [
        (None, "orange"), (-0.04, "yellow"), (-0.02, "green"),
    ]  # fmt: skip
    assert now["Value at risk, of its limit"][1]["value"] == 0.6
    (accounts,) = [
        panel
        for panel in grafana_queries.panels(json.loads(files["overview.json"]))
        if panel["title"] == "Accounts"
    ]
    columns = {
        one["matcher"]["options"]: {each["id"]: each.get("value") for each in one["properties"]}
        for one in accounts["fieldConfig"]["overrides"]
    }
    assert columns["Value at risk, of its limit"]["thresholds"]["steps"][1]["value"] == 0.6
    assert columns["Today"]["thresholds"]["steps"][0]["color"] == "orange"


def test_an_alert_that_does_not_fire_is_not_called_unknown(dashboards: Boards) -> None:
    found = 0
    for board in dashboards.values():
        for panel in grafana_queries.panels(board):
            if panel["type"] == "state-timeline":
                kinds = [one["type"] for one in panel["fieldConfig"]["defaults"]["mappings"]]
                is_of_alerts = panel["title"] == "What fires"
                assert kinds == (["value"] if is_of_alerts else ["value", "special"])
                found += is_of_alerts
    assert found == 2


def test_a_table_of_which_only_the_first_query_finds_anything_names_its_column(
    dashboards: Boards,
) -> None:
    for board in dashboards.values():
        for panel in grafana_queries.panels(board):
            if panel["type"] == "table":
                renamed = panel["transformations"][1]["options"]["renameByName"]
                assert renamed["Value"] == panel["targets"][0]["legendFormat"]


def test_shares_of_which_little_is_missing_are_told_apart(dashboards: Boards) -> None:
    """99.94% keeps a promise of 99.9% and 99.86% does not; 3 basis points are not 0.0%."""
    for board in dashboards.values():
        for panel in grafana_queries.panels(board):
            fields = panel["fieldConfig"]["defaults"]
            assert fields["unit"] != "percentunit" or fields["decimals"] == 2


def _in_sight(value: Any) -> Any:
    """The same, of which nothing is to be in the menu of controls."""
    if isinstance(value, dict):
        return {name: _in_sight(one) for name, one in value.items() if one != "inControlsMenu"}
    return [_in_sight(one) for one in value] if isinstance(value, list) else value


def _runbooks(panel: dict[str, Any]) -> set[str]:
    return {link["url"].rpartition("/")[2] for link in panel.get("links", ())}


def _chosen(board: dict[str, Any]) -> set[str]:
    names = {variable["name"] for variable in board["templating"]["list"]}
    return names - {"datasource", "job", "instance"}

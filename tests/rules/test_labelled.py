"""Alerts of which there can be thousands: cheap to evaluate, and the same alerts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_policy import Policy
from risk_policy.catalogue.limits import LIMITS
from risk_rules.groups import rule_files
from risk_rules.labelled import in_expression, plain

NAMES = st.just("severity") | st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
WORDS = st.from_regex(r"[a-z0-9_ ,.()-]{0,12}", fullmatch=True)
EXPRESSIONS = st.lists(
    st.sampled_from(
        ("up > 0", 'or label_replace(x, "a", "b", "", "")', ', "a", "b", "", "")', "label_replace(")
    ),
    max_size=4,
).map(lambda lines: "\n".join(("up == 1", *lines)))


@settings(max_examples=40, deadline=None)
@given(EXPRESSIONS, st.dictionaries(NAMES, WORDS, min_size=1, max_size=7))
def test_a_rule_reads_the_same_wherever_its_labels_stand(
    expression: str, labels: dict[str, str]
) -> None:
    rule = {"alert": "A", "expr": expression, "labels": labels, "annotations": {"summary": "s"}}
    assert plain(in_expression(rule)) == plain(rule)
    assert plain(in_expression(rule))["labels"] == labels


@pytest.mark.parametrize(
    "expression",
    [
        "up",
        "",
        'label_replace(\nup\n, "a", "b", "c", "")',
        'label_replace(\n, "a", "b", "", "")',
        'label_replace(up, "a", "b", "", "")',
    ],
)
def test_what_somebody_else_wrote_stays_as_it_is(expression: str) -> None:
    assert plain({"alert": "A", "expr": expression}) == {
        "alert": "A",
        "expr": expression,
        "labels": {},
    }


def test_an_alert_about_holdings_has_prometheus_expand_no_label_but_its_severity(
    policy: Policy,
) -> None:
    """Each is expanded as a template, for every firing alert, at every evaluation."""
    for limit in LIMITS:
        if limit.is_account_level:
            continue
        watching, *_ = rule_files(policy)[limit.name]
        alerts = [rule for rule in watching.document()["rules"] if "alert" in rule]
        assert alerts
        assert {name for rule in alerts for name in rule["labels"]} == {"severity"}
        # No two of one name look the same to a reader, or to promtool.
        assert len({_told(rule) for rule in alerts}) == len(alerts)


def _told(rule: dict[str, Any]) -> tuple[str, str]:
    return rule["alert"], rule["labels"]["severity"]

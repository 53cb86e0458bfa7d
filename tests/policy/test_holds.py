"""What an account stops telling is remembered until somebody is told."""

from __future__ import annotations

import pytest

from risk_policy import InvalidPolicyError, parse_policy

BOTH = "[alerting.latch]\nhold_missing_minutes = 4\n[alerting.system]\nunevaluable_seconds = {}"


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("[alerting.latch]\nhold_missing_minutes = 0.5", "alerting.latch.hold_missing_minutes", 2),
        (BOTH.format(240), "alerting.system.unevaluable_seconds", 4),
    ],
)
def test_a_withdrawn_figure_that_is_forgotten_before_its_alert_is_refused(
    text: str, key: str, line: int
) -> None:
    with pytest.raises(InvalidPolicyError) as caught:
        parse_policy(text.encode(), environ={})
    (problem,) = caught.value.problems
    assert (problem.key, problem.line) == (key, line)
    assert "nobody is told of a figure that an account stops telling" in problem.message


@pytest.mark.parametrize(
    "text", ["[alerting.latch]\nhold_missing_minutes = 0.51", BOTH.format(239)]
)
def test_one_that_is_remembered_longer_is_accepted(text: str) -> None:
    parse_policy(text.encode(), environ={})

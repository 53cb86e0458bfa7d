"""Tokens between the parts: each role has a variable of its own."""

from __future__ import annotations

import pytest

from risk_policy import InvalidPolicyError, parse_policy

AUTH = "[alerting.auth]\n"


@pytest.mark.parametrize(
    ("written", "line", "twin"),
    [
        ('operator_token = "${RW}"\nruntime_token = "${RW}"', 2, "runtime_token"),
        ('operator_token = "${RISKWARDEN_ALERT_FEED_TOKEN}"', 2, "alert_feed_token"),
        (
            'alert_feed_token = "${A}"\noperator_token = "${RISKWARDEN_RUNTIME_TOKEN}"',
            3,
            "runtime_token",
        ),
    ],
)
def test_two_roles_with_one_variable_are_refused_where_it_is_written(
    written: str, line: int, twin: str
) -> None:
    with pytest.raises(InvalidPolicyError) as caught:
        parse_policy((AUTH + written).encode(), environ={})
    (problem,) = caught.value.problems
    assert (problem.key, problem.line) == ("alerting.auth.operator_token", line)
    assert f"is the token of alerting.auth.{twin} too" in problem.message


def test_a_runtime_may_have_one_token_for_all_that_it_sends() -> None:
    written = 'snapshot_token = "${RUNTIME}"\nruntime_token = "${RUNTIME}"'
    parse_policy((AUTH + written).encode(), environ={})

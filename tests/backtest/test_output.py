"""What promtool prints, read back."""

from __future__ import annotations

import pytest

from risk_rules.backtest import EngineOutputError, Firing, merged
from risk_rules.backtest.output import firings, question

BEGAN = '{__name__="ALERTS", alertname="A", alertstate="firing", symbol="x, \\"y\\"} 1"} 1E+00'
ENDED = '{alertname="A", alertstate="firing", symbol="x, \\"y\\"} 1"} 0E+00'
OTHER = '{__name__="ALERTS", alertname="B", alertstate="firing"} 1E+00'
LABELS = {"alertname": "A", "symbol": 'x, "y"} 1'}


def printed(*changes: tuple[str, str]) -> str:
    failed = "".join(
        f'    expr: "…", time: {at},\n        exp: nil\n        got: {got}\n' for at, got in changes
    )
    return f"Unit Testing:  test.yml\n\n\n  FAILED:\n{failed}\n"


def test_beginnings_and_ends_are_told_apart_and_labels_come_back_as_they_were() -> None:
    text = printed(("1h2m", BEGAN), ("1d1h", f"{ENDED}, {OTHER}"))
    assert firings(text, 60.0) == [
        Firing(LABELS, 62, 1500),
        Firing({"alertname": "B"}, 1500, None),
    ]


def test_times_may_be_milliseconds() -> None:
    assert firings(printed(("1s500ms", OTHER)), 0.5) == [Firing({"alertname": "B"}, 3, None)]


@pytest.mark.parametrize("text", ["Unit Testing:  test.yml\n  SUCCESS\n", ""])
def test_nothing_failed_means_nothing_fired(text: str) -> None:
    assert firings(text, 1.0) == []


@pytest.mark.parametrize(
    "text",
    [
        "Unit Testing:  test.yml\n  FAILED:\nrules.yml: 3:4: could not parse expression",
        printed(("1m", OTHER + ", and more")),
        printed(("1m", ENDED)),
        '    expr: "ALERTS", time: 1m, err: expanding series: boom',
    ],
    ids=["an error", "an odd sample", "an end without a beginning", "a failed query"],
)
def test_anything_else_is_an_error_and_never_a_calm_history(text: str) -> None:
    with pytest.raises(EngineOutputError):
        firings(text, 60.0)


def test_firings_of_one_alert_that_touch_or_overlap_are_one() -> None:
    a, b = {"alertname": "A"}, {"alertname": "B"}
    found = [Firing(a, 5, None), Firing(a, 1, 3), Firing(b, 2, 4), Firing(a, 3, 4), Firing(b, 9, 9)]
    assert merged(found) == [
        Firing(a, 1, 4), Firing(b, 2, 4), Firing(a, 5, None), Firing(b, 9, 9),
    ]  # fmt: skip


def test_the_question_looks_one_evaluation_back() -> None:
    assert question(60.0).count("offset 1m") == 2

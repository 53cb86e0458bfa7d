"""The generated reference says of every key, alert and metric what it is."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import pytest

from risk_policy import Policy, default_policy_path, fields, load_policy, parse_policy
from risk_policy.catalogue import runbooks
from risk_policy.catalogue.metrics import METRICS
from riskwarden.reference import reference
from riskwarden.reference.meanings import BY_NAME, BY_PLACE
from riskwarden.reference.policy_keys import meaning, sections

KEYS = [
    (section, model, field)
    for section, model in sections()
    for field in model.model_fields
    if fields.submodel(model, field) is None
]


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(default_policy_path(), {})


@pytest.fixture(scope="module")
def pages(policy: Policy) -> dict[str, str]:
    return reference(policy)


def test_every_key_has_a_meaning() -> None:
    assert [f"{section}.{field}" for section, model, field in KEYS
            if not meaning(section, model, field)] == []  # fmt: skip


def test_no_meaning_is_written_for_a_key_that_is_not_there() -> None:
    places = [f"{section}.{field}".removeprefix("alerting.") for section, _, field in KEYS]
    for pattern in BY_PLACE:
        assert fnmatch.filter(places, pattern), pattern
    assert set(BY_NAME) <= {field for _, _, field in KEYS}


def test_every_key_of_the_shipped_policy_stands_in_the_reference(pages: dict[str, str]) -> None:
    section, looked = "", 0
    for line in default_policy_path().read_text(encoding="utf-8").splitlines():
        if opened := re.match(r"\[([\w.]+)\]", line):
            section = opened[1]
        elif key := re.match(r"(\w+) = [^{]", line):
            below = pages["policy.md"].split(f"## `[{section}]`", 1)[1].split("\n## ", 1)[0]
            assert f"| `{key[1]}` |" in below, f"{section}.{key[1]}"
            looked += 1
    assert looked > 200


@pytest.mark.parametrize(
    "line",
    [
        (
            "| `daily_loss_breach_pct` | number | `5` | % | from 0.25 to 99.9 | "
            "Profit today: DAILY_LOSS_BREACH |"
        ),
        (
            "| `lease_seconds` | number | `3` | s | from 0.01 to 60 | "
            "of the receivers, as the runtime sees it |"
        ),
        '| `mode` | `pause` or `graceful` or `immediate` | `"immediate"` |',
        "| `operator_token` | secret |",
    ],
)
def test_a_key_is_told_with_type_default_unit_bounds_and_meaning(
    line: str, pages: dict[str, str]
) -> None:
    assert line in pages["policy.md"]


def test_every_alert_and_metric_is_listed(pages: dict[str, str]) -> None:
    for name in runbooks.names():
        assert f"| [{name}](../runbooks/{name}.md) |" in pages["alerts.md"]
    for metric in METRICS:
        assert f"| `{metric}` |" in pages["metrics.md"]


def test_a_changed_threshold_changes_the_catalogue(policy: Policy) -> None:
    text = default_policy_path().read_text(encoding="utf-8")
    changed = parse_policy(
        text.replace("daily_loss_breach_pct = 5", "daily_loss_breach_pct = 6.25").encode(),
        environ={},
    )
    assert "-6.25%" in reference(changed)["alerts.md"]
    assert "-6.25%" not in reference(policy)["alerts.md"]


def test_the_handbook_tells_the_times_of_the_shipped_policy(policy: Policy) -> None:
    text = (Path(__file__).parents[2] / "docs/handbook.md").read_text(encoding="utf-8")
    how = policy.alerting.escalation.time_based
    assert f"counts as critical after {how.warning_to_critical_minutes:g} minutes" in text
    assert f"counts as emergency after {how.critical_to_emergency_minutes:g} minutes" in text
    assert f"after {how.emergency_kill_switch_minutes:g} minutes `KILL_SWITCH_EVAL" in text

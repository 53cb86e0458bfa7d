"""What docs/golive.md says of lines, options and bounds is what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import nursery

from risk_policy.model.golive import GoLive
from riskwarden.golive.checklist import CHECKS

PAGE = (Path(__file__).parents[2] / "docs/golive.md").read_text(encoding="utf-8")


def test_every_line_is_told_in_order() -> None:
    lines = PAGE.partition("## The lines")[2].partition("## What it is held against")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", lines, re.MULTILINE) == list(CHECKS)


def test_every_option_that_is_told_is_there() -> None:
    told = set(re.findall(r"--[a-z][a-z-]+", PAGE.partition("## For auditors")[0]))
    said = nursery.run("riskwarden", "golive", "--help").stdout
    assert told <= set(re.findall(r"--[a-z][a-z-]+", said))


def test_every_bound_is_told_with_its_default() -> None:
    [block] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert GoLive.model_validate(tomllib.loads(block)["alerting"]["golive"]) == GoLive()
    assert set(tomllib.loads(block)["alerting"]["golive"]) == set(GoLive.model_fields)

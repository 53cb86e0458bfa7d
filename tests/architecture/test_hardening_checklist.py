"""The security checklist names tests that exist, one for every item."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/hardening.md").read_text(encoding="utf-8")
PRODUCT = GUIDE.split("## Checklist: the product")[1].split("## Checklist: what only you")[0]
ITEMS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PRODUCT.splitlines()
    if line.startswith("| ") and not line.startswith(("| item", "| **"))
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item[0][:60])
def test_every_item_is_shown_by_a_test_that_is_there(item: list[str]) -> None:
    named = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", item[2])
    assert named, item
    source = (ROOT / named[1]).read_text(encoding="utf-8")
    assert re.search(rf"^def {named[2]}\(", source, re.MULTILINE), named[2]


def test_all_parts_of_the_checklist_are_there() -> None:
    groups = re.findall(r"^\| \*\*(.+?)\*\*", PRODUCT, re.MULTILINE)
    assert groups == ["Input", "Who may", "Secrets", "Network", "Machines", "Record", "Errors"]
    assert len(ITEMS) > 45

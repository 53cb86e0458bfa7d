"""Rules without words, for tests of when alerts fire and of nothing that they say.

At each evaluation of each firing alert, promtool expands every label and sentence anew, which is
most of what it does. What an expression sets it does not expand (`tests/rules/test_labelled.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import quick_yaml

from risk_rules.labelled import in_expression, plain

#: How a test begins in the generated files, one line for each of its entries; and how it goes on if
#: it is about what alerts say.
_TEST: Final = "\n  - name: "
_SAYS: Final = "    alert_rule_test:\n"


def wordless(content: Mapping[str, Any]) -> dict[str, Any]:
    """A rule file without sentences, and of whose labels as few are expanded as can be."""
    groups = [
        {**group, "rules": [_unworded(rule) for rule in group["rules"]]}
        for group in content["groups"]
    ]
    return {**content, "groups": groups}


def in_two(folder: Path, name: str) -> tuple[str, ...]:
    """A file of tests as two that together are the same: of what alerts say, by the rules as they
    are; and of when they fire and nothing else, by the same rules without words.

    Args:
        folder: of everything that is generated; what is returned are paths in there.
    """
    path, limit = folder / f"tests/{name}.test.yml", name.partition(".")[0]
    head, *tests = path.read_text(encoding="utf-8").split(_TEST)
    loud = [test for test in tests if _SAYS in test]
    quiet = [test for test in tests if _SAYS not in test]
    if not (loud and quiet):
        return (f"tests/{name}.test.yml",)
    own, rules = folder / "in_two", f"../rules/{limit}.yml"
    own.mkdir(exist_ok=True)
    assert head.count(rules) == head.count("../rules/") == 1
    content = quick_yaml.load((folder / f"rules/{limit}.yml").read_text(encoding="utf-8"))
    (own / f"{name}.rules.yml").write_text(json.dumps(wordless(content)), encoding="utf-8")
    for kind, chosen, file in (("loud", loud, rules), ("quiet", quiet, f"{name}.rules.yml")):
        text = _TEST.join((head.replace(rules, file), *chosen))
        (own / f"{name}.{kind}.test.yml").write_text(text, encoding="utf-8")
    return tuple(f"in_two/{name}.{kind}.test.yml" for kind in ("loud", "quiet"))


def _unworded(rule: Mapping[str, Any]) -> dict[str, Any]:
    if "alert" not in rule:
        return dict(rule)
    return {**in_expression(plain(rule)), "annotations": {}}

"""What changed between two snapshots: nothing is overlooked; what moves by itself is no news."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from full_safety_snapshot import AT, FULL, HASH
from pydantic import ValidationError
from typer.testing import CliRunner, Result

from risk_policy.catalogue.limits import LIMITS, Side
from risk_policy.contracts.safety_snapshot import SafetySnapshot
from riskwarden.app import application
from riskwarden.safety_snapshot.difference import compare

#: Times, ages, what grows or moves while nothing changes.
MOVES = {
    "taken_at",
    "kernel_forbade_writing",
    "gating.0.told_at",
    "gating.0.age_seconds",
    "gating.0.equity",
    "gating.0.whence.0",
    "gate.version",
    "gate.lease_seconds",
    "gate.published_at",
    "gate.reason",
    "digests.gate",
    "drills.0.drill_id",
    "drills.0.ended_at",
    "drills.0.operator",
    "drills.0.record",
    "sources.0.as_of",
    "sources.0.age_seconds",
    "sources.0.note",
    "chain.noted_head",
    "chain.signed_head",
    "chain.last_recorded_at",
}
#: What follows from something else that is compared.
FOLLOWS = {
    "environment_id",
    "safety.is_live_execution_ruled_out",
    "safety.statement",
    "safety.reasons.0.bearing",
    "safety.reasons.0.about",
    "safety.reasons.0.text",
    "gating.0.refusals.0",
    "gating.0.untold.0",
    "gate.adds_risk",
    "limits.digest",
    "limits.source",
    "limits.orders.0.name",
    "limits.orders.0.ratio_of_equity",
    "limits.orders.0.key",
    "limits.orders.0.line",
    "limits.orders.0.amounts.main",
    "limits.orders.0.note",
    "limits.settings.0.line",
    "limits.settings.1.line",
    *(f"limits.settings.0.alerts.0.{name}" for name in ("alert", "limit", "tier", "action")),
    "drills.0.title",
    "digests.rules",
    "sources.0.where",
}
PATH_OF_RULES = ["digests", "rule_files", "drawdown.yml"]
#: The other value that a leaf may have, where not just any will do.
OTHERS = {
    "mode": ["testnet", "immediate"],
    "live_orders": ["possible"],
    "adds_risk": ["allowed"],
    "bearing": ["open"],
    "result": ["FAIL"],
    "evidence": ["log"],
    "state": ["unreadable", "open"],
}


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict | list):
        for name, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(child, f"{path}.{name}" if path else str(name))
    else:
        yield path, node


def changed(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(FULL)
    node: Any = document
    *parents, last = path.split(".") if "rule_files." not in path else PATH_OF_RULES
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node[part]
    node[int(last) if isinstance(node, list) else last] = value
    return document


def others(path: str, value: Any) -> Iterator[Any]:
    """Values that a leaf does not have."""
    name = path.rpartition(".")[2]
    if path.startswith("kill_switches") and name == "state":
        yield "CLOSING"
    yield from OTHERS.get(name, ())
    match value:
        case bool():
            yield not value
        case int() | float():
            yield value + 1
        case str() if value == AT:
            yield "2026-03-02T16:00:00Z"
        case str():
            yield f"{value}x"
        case None:
            yield 5
    yield None


def differing(path: str, value: Any) -> SafetySnapshot:
    """A snapshot that differs there alone."""
    for other in others(path, value):
        try:
            found = SafetySnapshot.model_validate(changed(path, other))
        except ValidationError:
            continue
        if found != SafetySnapshot.model_validate(FULL):
            return found
    raise AssertionError(f"{path} has no other value")


def test_every_leaf_counts_unless_it_moves_by_itself_or_follows_from_another() -> None:
    one = SafetySnapshot.model_validate(FULL)
    paths = [path for path, _ in leaves(FULL) if path != "schema_version"]
    assert set(paths) >= MOVES | FOLLOWS, "what is excepted is there"
    quiet = {
        path
        for path, value in leaves(FULL)
        if path != "schema_version" and not compare(one, differing(path, value)).changes
    }
    assert quiet == MOVES | FOLLOWS


def test_every_entry_that_comes_or_goes_is_told_once() -> None:
    whole = SafetySnapshot.model_validate(FULL)
    for path in ("gating", "kill_switches", "restrictions", "limits.settings", "drills"):
        without = copy.deepcopy(FULL)
        section, _, inner = path.partition(".")
        (without[section] if inner else without)[inner or section] = []
        less = SafetySnapshot.model_validate(without)
        count = 2 if path == "limits.settings" else 1
        gone = [change.text for change in compare(whole, less).changes]
        came = [change.text for change in compare(less, whole).changes]
        assert [": gone" in text for text in gone] == [True] * count, gone
        assert [": new" in text for text in came] == [True] * count, came


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("safety.live_orders", "possible", "live orders: impossible -> possible"),
        ("safety.adds_risk", "allowed", "orders that add risk: refused -> allowed"),
        ("gating.0.told.live_mode_armed", True, "gate 2 (live_mode_armed) OPENED: false -> true"),
        ("gating.0.told.live_dry_run", False, "the dry run (live_dry_run) OPENED: true -> false"),
        ("gating.0.told.enable_live_trading", False, "(enable_live_trading) closed: true -> false"),
        ("gating.0.told.live_dry_run", None, "is no longer told: unknown, and so not safe"),
        ("gating.0.told.mode", "paper", "account main: told mode live -> paper"),
        ("gating.0.told", None, "account main: told mode live -> unknown"),
        ("limits.settings.0.value", 25, "(DRAWDOWN_EMERGENCY): 20 -> 25, LOOSER"),
        ("limits.settings.0.value", 15, "(DRAWDOWN_EMERGENCY): 20 -> 15, tighter"),
        ("limits.settings.1.value", [], "disabled_symbols: LUNA-USD -> none"),
        ("kill_switches.0.state", "CLOSING", "the kill switch over everything: state TRIPPED"),
        ("drills.0.result", "FAIL", "drill kill-pause: PASS -> FAIL"),
        ("drills.0.result", None, "drill kill-pause: PASS -> unknown"),
        ("digests.policy", "b" * 64, "policy: another content (aaaaaaaaaaaa… -> bbbbbbbbbbbb…)"),
        ("digests.rule_files", {}, "rule file drawdown.yml: gone"),
        ("chain.head", f"8:{HASH}", "audit chain: it is SHORTER: 9 events before, 8 now"),
        ("chain.head", f"9:{'b' * 64}", "as long as before (9 events), and NOT THE SAME"),
        ("chain.head", None, "audit chain: it could not be read"),
        ("versions.prometheus", "3.0.0", "versions prometheus: 2.42.0 -> 3.0.0"),
    ],
)
def test_it_is_said_in_words(path: str, value: Any, text: str) -> None:
    one = SafetySnapshot.model_validate(FULL)
    other = SafetySnapshot.model_validate(changed(path, value))
    texts = [change.text for change in compare(one, other).changes]
    assert any(text in said for said in texts), texts


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_looser_is_farther_from_where_the_danger_begins(limit: Any) -> None:
    key = limit.alerts[0].threshold
    before = changed("limits.settings.0.key", key)
    after = copy.deepcopy(before)
    after["limits"]["settings"][0]["value"] += 1
    change = compare(SafetySnapshot.model_validate(before), SafetySnapshot.model_validate(after))
    farther = limit.bound(21.0) > limit.bound(20.0)
    is_looser = farther if limit.side is Side.ABOVE else not farther
    (said,) = change.changes
    assert ("LOOSER" in said.text) is is_looser


def test_a_chain_that_grew_is_no_difference() -> None:
    one = SafetySnapshot.model_validate(FULL)
    other = SafetySnapshot.model_validate(changed("chain.head", f"19:{'b' * 64}"))
    found = compare(one, other)
    assert found.changes == ()
    assert "the audit chain grew by 10 events" in found.meanwhile


# -- the command --------------------------------------------------------------------------------


@pytest.fixture
def keep(tmp_path: Path) -> Callable[..., Path]:
    def write(document: Any, name: str) -> Path:
        path = tmp_path / name
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return write


def diff(*words: object) -> Result:
    asked = ["snapshot", "diff", *map(str, words)]
    return CliRunner().invoke(application(asked), asked)


def test_exit_status_says_whether_anything_changed(keep: Callable[..., Path]) -> None:
    one, same = keep(FULL, "a.json"), keep(changed("taken_at", "2026-03-02T15:00:09Z"), "b.json")
    other = keep(changed("safety.live_orders", "possible"), "c.json")
    quiet = diff(one, same)
    assert (quiet.exit_code, quiet.stdout.splitlines()[0]) == (0, "nothing changed")
    assert "9 s later" in quiet.stdout
    loud = diff(one, other)
    assert loud.exit_code == 1
    assert loud.stdout.startswith("live orders: impossible -> possible\n")
    as_json = diff(one, other, "--json")
    assert as_json.exit_code == 1
    told = json.loads(as_json.stdout)
    assert told["same"] is False
    assert told["changes"][0] == {
        "what": "safety/live_orders",
        "before": "impossible",
        "after": "possible",
        "text": "live orders: impossible -> possible",
    }


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", json.dumps(FULL | {"schema_version": 2}), '{"sesame": 1}']
)
def test_what_is_no_snapshot_is_not_compared_and_not_quoted(
    keep: Callable[..., Path], text: str
) -> None:
    done = diff(keep(FULL, "a.json"), keep(text, "b.json"))
    assert done.exit_code == 2
    assert "b.json: is no snapshot of this version" in done.stderr
    assert diff(keep(FULL, "a.json"), "nowhere.json").exit_code == 2


def test_what_others_have_written_steers_no_terminal(keep: Callable[..., Path]) -> None:
    hostile = changed("kill_switches.0.cause", "[bold]x[/] \x1b[2J")
    done = diff(keep(FULL, "a.json"), keep(hostile, "b.json"))
    assert done.exit_code == 1
    assert "\x1b" not in done.stdout
    assert "[bold]x[/]" in done.stdout

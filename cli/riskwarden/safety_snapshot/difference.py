"""What changed between two snapshots, in words. Pure.

Every leaf of the documents counts, unless it is named here: what moves by itself while nothing
changes (times, ages, equity, the gate's version, a chain that grows), and what only says again what
another leaf says. So a new field of the document is compared before anybody thinks of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from risk_policy.contracts.safety_snapshot import ChainEnd, SafetySnapshot
from riskwarden.safety_snapshot.words import Leaf, in_words

#: What tells the entries of a list apart.
_KEYS: Final = ("account", "key", "scenario", "id", "scope", "name", "alert")
#: Leaves that move by themselves; shown beside the differences, if at all.
_VOLATILE: Final = re.compile(
    r"taken_at|kernel_forbade_writing|gating/[^/]*/(told_at|age_seconds|equity|whence)"
    r"|gate/(lease_seconds|version|published_at|reason)|digests/gate"
    r"|drills/[^/]*/(drill_id|ended_at|operator|record)"
    r"|sources/.*/(as_of|age_seconds|note)|chain/(head|noted_head|signed_head|last_recorded_at)"
)
#: Leaves that follow from others.
_DERIVED: Final = re.compile(
    r"safety/(statement|reasons|is_live_execution_ruled_out)(/.*)?|gate/adds_risk"
    r"|gating/[^/]*/(refusals|untold)|limits/(orders/.*|digest)|environment_id"
    r"|limits/settings/[^/]*/(key|line|alerts.*)|[a-z_]+/[^/]*/(account|key|scenario|scope|id|name)"
    r"|sources/.*/where|digests/rules|drills/[^/]*/title|limits/source"
)
_OF_A_FIRST_RUN: Final = re.compile(r"drills/[^/]*/(environment|evidence)")
_ABSENT: Final = object()
#: Sections whose entries come, go and change as a whole.
_AS_ONE: Final = ("kill_switches", "restrictions")
#: A list with entries, which are compared one by one.
_SOME: Final = "some"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        what: the leaf's path.
        before: null if it was not there.
        after: null if it is not there any more.
        text: in words.
    """

    what: str
    before: Any
    after: Any
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed.

    Attributes:
        changes: differences.
        meanwhile: what moved by itself, in words.
    """

    changes: tuple[Change, ...]
    meanwhile: tuple[str, ...]


def compare(before: SafetySnapshot, after: SafetySnapshot) -> Difference:
    """What changed from one to the other."""
    old, new = _leaves(before), _leaves(after)
    changes = [*_of_chain(before.chain, after.chain)]
    for path in sorted(old.keys() | new.keys(), key=_order):
        was, now = old.get(path, _ABSENT), new.get(path, _ABSENT)
        if was == now or _VOLATILE.fullmatch(path) or _DERIVED.fullmatch(path):
            continue
        if was is None and _OF_A_FIRST_RUN.fullmatch(path):
            continue  # that it ran at all is told by its result
        if path.startswith("limits/digests_elsewhere/") and _ABSENT in (was, now):
            continue  # which parts run is told by what was read
        leaf = Leaf(path, None if was is _ABSENT else was, None if now is _ABSENT else now)
        text = in_words(leaf, is_new=was is _ABSENT, is_gone=now is _ABSENT)
        changes.append(Change(path, leaf.before, leaf.after, text))
    return Difference(tuple(_without_echoes(changes)), tuple(_meanwhile(before, after)))


def _leaves(snapshot: SafetySnapshot) -> dict[str, Any]:
    document = snapshot.model_dump(mode="json")
    held = {section: document.pop(section) for section in _AS_ONE}
    leaves = dict(_walk(document, ""))
    for section, entries in held.items():
        leaves[section] = None if entries is None else _SOME if entries else []
        for entry in entries or ():
            leaves[f"{section}/{_named(entry)}"] = _as_one(entry)
    return leaves


def _as_one(entry: Mapping[str, Any]) -> str:
    """All that is said of a kill or a restriction, in a line."""
    flags = {True: "yes", False: "no", None: "unknown"}
    name_of = next(name for name in _KEYS if name in entry)
    said = []
    for name, value in entry.items():
        if name in ("on_record", "at_gate"):
            said.append(f"{name.replace('_', ' ')}: {flags[value]}")
        elif value is not None and name != name_of:
            said.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(said)


def _walk(node: object, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for name, child in node.items():
            yield from _walk(child, f"{path}/{_segment(name)}" if path else _segment(name))
    elif isinstance(node, list) and all(isinstance(one, dict) for one in node):
        yield path, _SOME if node else []
        seen: dict[str, int] = {}
        for one in node:
            name = _named(one)
            seen[name] = seen.get(name, 0) + 1
            unique = name if seen[name] == 1 else f"{name} #{seen[name]}"
            yield f"{path}/{unique}", True
            yield from _walk(one, f"{path}/{unique}")
    else:
        yield path, node


def _named(entry: Mapping[str, Any]) -> str:
    if "where" in entry and "state" in entry:
        return _segment(str(entry["name"]))  # where it lies may differ, as ports do
    key = next((name for name in _KEYS if name in entry), None)
    return _segment(str(entry[key])) if key else "entry"


def _segment(name: str) -> str:
    return name.replace("/", "\u2215")  # what looks like a slash and is none


def _order(path: str) -> tuple[int, str]:
    sections = tuple(SafetySnapshot.model_fields)
    section = path.partition("/")[0]
    return (sections.index(section) if section in sections else len(sections), path)


def _without_echoes(changes: list[Change]) -> Iterator[Change]:
    """An entry that came or went is told once, and not leaf by leaf."""
    whole = {
        change.what
        for change in changes
        if True in (change.before, change.after)
        and None in (change.before, change.after)
        and change.what.count("/") <= 2
        and not change.what.startswith(("safety/", "chain/", "limits/in_force"))
    }
    for change in changes:
        parents = {part for part in whole if change.what.startswith(f"{part}/")}
        is_list = _SOME in (change.before, change.after)
        # What was not told at all before, and now is, is told leaf by leaf.
        is_nothing = change.before is None and change.after is None
        has_parts = is_nothing and any(
            other.what.startswith(f"{change.what}/") for other in changes
        )
        if not parents and not is_list and not has_parts:
            yield change


def _of_chain(before: ChainEnd, after: ChainEnd) -> Iterator[Change]:
    """A chain may only grow."""
    if before.head is None or after.head is None:
        if before.head != after.head:
            now = "could not be read" if after.head is None else "can be read again"
            yield Change("chain/head", before.head, after.head, f"audit chain: it {now}")
        return
    old, new = _size(before.head), _size(after.head)
    if new < old:
        text = f"audit chain: it is SHORTER: {old} events before, {new} now"
        yield Change("chain/head", before.head, after.head, text)
    elif new == old and before.head != after.head:
        text = f"audit chain: as long as before ({old} events), and NOT THE SAME"
        yield Change("chain/head", before.head, after.head, text)


def _size(head: str) -> int:
    size = head.partition(":")[0]
    return int(size) if size.isascii() and size.isdigit() else 0


def _meanwhile(before: SafetySnapshot, after: SafetySnapshot) -> Iterator[str]:
    seconds = (after.taken_at - before.taken_at).total_seconds()
    order = "later" if seconds >= 0 else "EARLIER: are they in the right order?"
    yield f"the second was taken {abs(seconds):.0f} s {order}"
    if before.chain.head and after.chain.head:
        grown = _size(after.chain.head) - _size(before.chain.head)
        if grown > 0:
            yield f"the audit chain grew by {grown} events"
    if before.gate.version != after.gate.version:
        yield f"the gate went from version {before.gate.version} to {after.gate.version}"
    runs = {one.scenario: one.drill_id for one in before.drills}
    again = [
        one.scenario
        for one in after.drills
        if one.drill_id and runs.get(one.scenario) not in (one.drill_id, None)
    ]
    if again:
        yield f"rehearsed again: {', '.join(again)}"

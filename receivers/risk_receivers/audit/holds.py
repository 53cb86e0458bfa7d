"""Legal holds: what must not be deleted, whatever its age. Pure, and told by the chain alone.

A hold names what it covers by what every record keeps (its number, time and type) and by what its
payload tells (accounts, alerts). The second cannot be told of a payload that is gone. So a hold of
that kind is looked up: records are read while their payloads are still there, and those that fall
under it are put on record by number. Where that has not been done yet, everything that the kept
part does not rule out stays. So whether a payload was held can be told after it is gone, too.

An account or an alert is looked for anywhere in a payload, as a whole word whatever its case: what
is kept without need harms nobody, what is deleted against the law cannot be brought back.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.header import Header, timestamp

#: Numbers of records: first and last of each stretch, in order and apart.
Ranges = tuple[tuple[int, int], ...]

#: What a word may not follow on, so that account 1 is not found in 21, and main not in old-main;
#: but JSON writes the end of a line as a letter behind a backslash.
_BEGINS: Final = r"(?:(?<![\w.-])|(?<=\\[bfnrt])|(?<=\\u00[01][0-9a-f]))"
#: And what may not follow on it: nor is main found in main-2, though it is where a sentence ends.
_ENDS: Final = r"(?![.-]*\w)"


def ranges_of(seqs: Iterable[int]) -> Ranges:
    """Ascending numbers as stretches."""
    found: list[tuple[int, int]] = []
    for seq in seqs:
        if found and found[-1][1] == seq - 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return tuple(found)


def is_in(seq: int, ranges: Ranges) -> bool:
    """Whether a number is in one of the stretches."""
    at = bisect_right(ranges, seq, key=lambda one: one[0])
    return at > 0 and seq <= ranges[at - 1][1]


@dataclass(frozen=True, slots=True)
class HoldFilter:
    """What a hold covers: what meets every one of the conditions that are set.

    Attributes:
        since: recorded then or later.
        until: recorded before.
        alerts: ids of incidents, or of the limits that they are about (``drawdown/main``).
    """

    first: int | None = None
    last: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    types: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    alerts: frozenset[str] = frozenset()

    @property
    def reads_payloads(self) -> bool:
        """Whether the kept part of a record is not enough to tell."""
        return bool(self.accounts or self.alerts)

    @property
    def is_empty(self) -> bool:
        """Whether no record can meet its conditions."""
        return (self.first is not None and self.last is not None and self.first > self.last) or (
            self.since is not None and self.until is not None and self.since >= self.until
        )

    def may_cover(self, header: Header) -> bool:
        """Whether the kept part of a record does not rule it out."""
        return not (
            (self.first is not None and header.seq < self.first)
            or (self.last is not None and header.seq > self.last)
            or (self.since is not None and header.recorded_at < self.since)
            or (self.until is not None and header.recorded_at >= self.until)
            or (self.types and str(header.event_type) not in self.types)
        )

    def covers(self, header: Header, payload: bytes) -> bool:
        """Whether a record falls under it."""
        if not self.may_cover(header):
            return False
        text = payload.decode("utf-8", "replace")
        return all(_names(text, words) for words in (self.accounts, self.alerts) if words)

    def as_details(self) -> dict[str, JsonValue]:
        """As it stands on record."""
        found: dict[str, JsonValue] = {
            "first": self.first,
            "last": self.last,
            "since": None if self.since is None else timestamp(self.since),
            "until": None if self.until is None else timestamp(self.until),
        }
        found |= {name: sorted(getattr(self, name)) for name in ("types", "accounts", "alerts")}
        return {name: value for name, value in found.items() if value not in (None, [])}

    @classmethod
    def parse(cls, details: Mapping[str, JsonValue]) -> HoldFilter:
        """As it stands on record. Raises ValueError."""
        return cls(
            first=_number(details.get("first")),
            last=_number(details.get("last")),
            since=_time(details.get("since")),
            until=_time(details.get("until")),
            types=_words(details.get("types")),
            accounts=_words(details.get("accounts")),
            alerts=_words(details.get("alerts")),
        )

    def __str__(self) -> str:
        details = self.as_details()
        return ", ".join(f"{name} {_said(value)}" for name, value in details.items()) or "all"


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold that is in force, or was.

    Attributes:
        seq: the record that placed it.
        looked_at: up to which record its payloads were read, if it has to read them.
        found: those of them that fall under it.
        released_by: who ended it, and when and why; empty as long as it is in force.
    """

    seq: int
    name: str
    reason: str
    filter: HoldFilter
    by: str
    at: datetime
    looked_at: int = 0
    found: Ranges = ()
    released_by: str = ""
    released_at: datetime | None = None
    release_reason: str = ""

    def why_held(self, header: Header) -> str:
        """Why a record has to stay; empty if it need not."""
        if not self.filter.may_cover(header):
            return ""
        if not self.filter.reads_payloads or is_in(header.seq, self.found):
            return f"legal hold {self.name} (record {self.seq}) covers it"
        if header.seq > self.looked_at:
            return f"nobody had looked yet whether legal hold {self.name} covers it"
        return ""

    def extended(self, looked_at: int, found: Ranges) -> Hold:
        """With more records looked at."""
        return replace(self, looked_at=looked_at, found=(*self.found, *found))


def _names(text: str, words: Iterable[str]) -> bool:
    """Whether a payload holds one of some words, whole, whatever its case, as `query` looks."""
    written = (json.dumps(word.casefold(), ensure_ascii=False)[1:-1] for word in words)
    any_of = "|".join(map(re.escape, written))
    return re.search(f"{_BEGINS}(?:{any_of}){_ENDS}", text.casefold()) is not None


def _number(value: JsonValue) -> int | None:
    if value is None or type(value) is int:
        return value
    raise ValueError(f"{value!r} is no record's number")


def moment(value: JsonValue) -> datetime:
    """A time as it stands on record. Raises ValueError for what cannot be compared with others."""
    found = datetime.fromisoformat(str(value))
    if found.tzinfo is None:
        raise ValueError(f"{value!r} has no zone")
    return found


def _time(value: JsonValue) -> datetime | None:
    return None if value is None else moment(value)


def _words(value: JsonValue) -> frozenset[str]:
    if value is None or isinstance(value, list):
        return frozenset(map(str, value or ()))
    raise ValueError(f"{value!r} is no list")


def _said(value: JsonValue) -> str:
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)

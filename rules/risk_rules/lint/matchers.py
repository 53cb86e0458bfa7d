"""Alertmanager's matchers: one condition on a label, and what is said in how many ways.

Patterns are anchored, as Alertmanager reads them. One that cannot be read passes everything:
whether it is a pattern at all is for amtool to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_SPECIAL: Final = re.compile(r"[.+*?()\[\]{}^$\\]")
_WRITTEN: Final = re.compile(
    r'\s*(?P<name>[a-zA-Z_:][\w:]*|"(?:[^"\\]|\\.)*")\s*(?P<operator>=~|!~|!=|=)\s*'
    r'(?P<value>"(?:[^"\\]|\\.)*"|[^",{}]*)\s*'
)


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition.

    Attributes:
        operator: ``=``, ``!=``, ``=~`` or ``!~``.
    """

    name: str
    operator: str
    value: str

    def takes(self, value: str) -> bool:
        """Whether a label with this value passes; a missing label is empty."""
        try:
            equal = (
                re.fullmatch(self.value, value) is not None
                if self.operator.endswith("~")
                else value == self.value
            )
        except re.error:
            return True
        return equal != self.operator.startswith("!")

    @property
    def words(self) -> tuple[str, ...]:
        """The only values it lets pass; none if they are not listed one by one."""
        if self.operator.startswith("!") or not self.value:
            return ()
        if self.operator == "=":
            return (self.value,)
        return () if _SPECIAL.search(self.value) else tuple(self.value.split("|"))

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{json.dumps(self.value, ensure_ascii=False)}"


def written(content: Mapping[str, Any], side: str = "") -> tuple[Matcher, ...]:
    """The matchers of a route, or of one side of an inhibition rule, in the new and old ways.

    Args:
        side: ``source`` or ``target``; empty for a route.
    """
    prefix = f"{side}_" if side else ""
    lists = content.get(f"{prefix}matchers")
    found = [
        each for text in (lists if isinstance(lists, list) else [lists] if lists else [])
        for each in _parsed(str(text))
    ]  # fmt: skip
    for key, operator in ((f"{prefix}match", "="), (f"{prefix}match_re", "=~")):
        for name, value in (content.get(key) or {}).items():
            found.append(Matcher(str(name), operator, str(value)))
    return tuple(found)


def _parsed(text: str) -> Iterator[Matcher]:
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    position = 0
    while match := _WRITTEN.match(inner, position):
        yield Matcher(_bare(match["name"]), match["operator"], _bare(match["value"]))
        position = match.end() + 1


def _bare(text: str) -> str:
    if not text.startswith('"'):
        return text.strip()
    try:
        return str(json.loads(text))  # its escapes are Go's, but for the rarest
    except ValueError:
        return text[1:-1]

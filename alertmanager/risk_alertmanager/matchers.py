"""Matchers that old and new Alertmanagers read alike: classic names, always quoted values.

Alertmanager 0.27 reads matchers as UTF-8 first and falls back to the classic way; what both
read differently (bare special characters, unquoted values) is never written here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

from risk_policy.contracts import alert as labels

_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_WORD: Final = re.compile(r"[a-zA-Z0-9_]+")


def equals(label: str, value: str) -> str:
    """The label has exactly this value."""
    return f"{_name(label)}={_quoted(value)}"


def one_of(label: str, values: Iterable[str]) -> str:
    """The label has one of these values; regular expressions are anchored."""
    words = tuple(values)
    if len(words) == 1:
        return equals(label, words[0])
    return f"{_name(label)}=~{_quoted('|'.join(_word(value) for value in words))}"


def none_of(label: str, values: Iterable[str]) -> str:
    """The label has none of these values, or is not there."""
    return f"{_name(label)}!~{_quoted('|'.join(_word(value) for value in values))}"


def present(label: str) -> str:
    """The label is there and not empty."""
    return f'{_name(label)}=~".+"'


def about_a_risk() -> str:
    """The alert has a risk_id: missing labels equal each other, so every inhibition needs it."""
    return present(labels.RISK_ID)


def _name(label: str) -> str:
    if not _LABEL_NAME.fullmatch(label):
        raise ValueError(f"{label!r} is no label name; letters, digits and _ are")
    return label


def _word(value: str) -> str:
    if not _WORD.fullmatch(value):
        raise ValueError(f"{value!r} cannot stand in a regular expression as it is")
    return value


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)

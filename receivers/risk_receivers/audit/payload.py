"""The prunable part of a record: who, what and why, as canonical JSON and as a value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar, cast

from msgspec import Struct

from risk_policy.contracts.audit import PAYLOAD_FIELDS, ActorType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.canonical import DEEPEST, JsonValue, decode, quoted, text, utf8
from risk_receivers.audit.errors import NotCanonicalError, UnrecordableError

Word = TypeVar("Word", Severity, Category, ActorType)

_TEXTS = ("id", "message", "action_taken", "action_reason")
_OPTIONAL_TEXTS = ("alert_id", "trade_id", "position_id", "actor_id")
_FIELDS = frozenset(PAYLOAD_FIELDS)
_VOCABULARY: Final = {"severity": Severity, "category": Category, "actor_type": ActorType}
_WORDS: Final[Mapping[type[StrEnum], Mapping[str, StrEnum]]] = {
    kind: {word.value: word for word in kind} for kind in _VOCABULARY.values()
}
#: Types of values that were found to be right: a handful.
_SHAPES: Final[set[tuple[type, ...]]] = set()


class Payload(Struct, frozen=True):
    """The fields of :data:`risk_policy.contracts.audit.PAYLOAD_FIELDS`, typed."""

    id: str
    message: str
    severity: Severity | None
    category: Category | None
    alert_id: str | None
    trade_id: str | None
    position_id: str | None
    details: Mapping[str, JsonValue]
    action_taken: str
    action_reason: str
    actor_type: ActorType
    actor_id: str | None

    def encode(self) -> bytes:
        """The canonical bytes: the fields as the alphabet sorts them.

        Raises UnrecordableError for what `parse_payload` would refuse.
        """
        if type(self.details) is not dict or not self._holds_words():
            self._check()
        try:
            return utf8(self._text())
        except TypeError:  # something to be quoted is no text
            self._check()
            raise

    def _holds_words(self) -> bool:
        return (
            (self.severity is None or type(self.severity) is Severity)
            and (self.category is None or type(self.category) is Category)
            and type(self.actor_type) is ActorType
        )

    def _check(self) -> None:
        values = {name: getattr(self, name) for name in PAYLOAD_FIELDS}
        problem = _wrong_type(values) or _wrong_word(values)
        if problem:
            raise UnrecordableError(problem)

    def _text(self) -> str:
        details = text(self.details, at="details", depth=1)
        return (
            f'{{"action_reason":{quoted(self.action_reason)},'
            f'"action_taken":{quoted(self.action_taken)},"actor_id":{_or_null(self.actor_id)},'
            f'"actor_type":{quoted(self.actor_type)},"alert_id":{_or_null(self.alert_id)},'
            f'"category":{_or_null(self.category)},"details":{details},'
            f'"id":{quoted(self.id)},"message":{quoted(self.message)},'
            f'"position_id":{_or_null(self.position_id)},"severity":{_or_null(self.severity)},'
            f'"trade_id":{_or_null(self.trade_id)}}}'
        )


def _or_null(value: str | None) -> str:
    return "null" if value is None else quoted(value)


def _cell(name: str) -> str:
    """A field's bytes, as nearly all are written: with nothing in it that is escaped."""
    if name == "details":
        return r"(\{.*\})"
    if name in _VOCABULARY:
        words = "|".join(map(json.dumps, _VOCABULARY[name]))
        return f"(?:{words})" if name == "actor_type" else f"(?:null|{words})"
    plain = r'"[ !#-\[\]-~]*"'
    return plain if name in _TEXTS else f"(?:null|{plain})"


_CELLS: Final = ",".join(f'"{name}":{_cell(name)}' for name in sorted(_FIELDS))
_PLAIN: Final = re.compile(rf"\{{{_CELLS}\}}".encode(), re.DOTALL)


def is_plain(data: bytes) -> bool:
    """Whether bytes are seen to be a payload at a glance; of others that says nothing.

    Whatever they hold, canonical details between fields that are canonical is a canonical payload.
    """
    found = _PLAIN.fullmatch(data)
    if found is None or found[1].count(b"{") + found[1].count(b"[") >= DEEPEST:
        return False
    try:
        decode(found[1])
    except NotCanonicalError:
        return False
    return True


def parse_payload(data: bytes) -> Payload:
    """The payload of stored bytes. Raises NotCanonicalError saying what is wrong with them."""
    values = decode(data)
    if not isinstance(values, dict):
        raise NotCanonicalError("is no JSON object")
    if values.keys() != _FIELDS:
        raise NotCanonicalError(f"has the wrong fields: {_difference(set(values), _FIELDS)}")
    # Canonical JSON has its keys in order, so that a tuple of types says which field has which.
    shape = tuple(map(type, values.values()))
    if shape not in _SHAPES:
        if problem := _wrong_type(values):
            raise NotCanonicalError(problem)
        _SHAPES.add(shape)
    fields = cast("dict[str, str]", values)
    return Payload(
        id=fields["id"],
        message=fields["message"],
        severity=_word(Severity, "severity", values["severity"]),
        category=_word(Category, "category", values["category"]),
        alert_id=fields["alert_id"],
        trade_id=fields["trade_id"],
        position_id=fields["position_id"],
        details=cast("dict[str, JsonValue]", values["details"]),
        action_taken=fields["action_taken"],
        action_reason=fields["action_reason"],
        actor_type=_word(ActorType, "actor_type", values["actor_type"]) or ActorType.SYSTEM,
        actor_id=fields["actor_id"],
    )


def _wrong_type(values: Mapping[str, object]) -> str:
    """What is wrong with the fields' types, empty if nothing."""
    for name in (*_TEXTS, "actor_type"):
        if not isinstance(values[name], str):
            return f"{name} is {type(values[name]).__name__}; it must be text"
    for name in (*_OPTIONAL_TEXTS, "severity", "category"):
        if not (values[name] is None or isinstance(values[name], str)):
            return f"{name} is {type(values[name]).__name__}; it must be text or null"
    if not isinstance(values["details"], Mapping):
        return f"details is {type(values['details']).__name__}; it must be a table"
    return ""


def _wrong_word(values: Mapping[str, object]) -> str:
    """Which field holds no word of the vocabulary, empty if none."""
    for name, kind in _VOCABULARY.items():
        if not isinstance(values[name], kind | None):
            return f"{name} is {values[name]!r}; it must be a {kind.__name__}"
    return ""


def _word(kind: type[Word], name: str, value: object) -> Word | None:
    if value is None:
        return None
    if isinstance(value, str) and (word := _WORDS[kind].get(value)) is not None:
        return cast("Word", word)
    raise NotCanonicalError(f"{name} is {value!r}; it must be one of {', '.join(kind)}")


def _difference(found: set[str], wanted: frozenset[str]) -> str:
    parts = []
    if missing := sorted(wanted - found):
        parts.append(f"{', '.join(missing)} missing")
    if surplus := sorted(found - wanted):
        parts.append(f"{', '.join(map(repr, surplus))} not known")
    return "; ".join(parts)

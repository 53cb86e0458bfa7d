"""RFC 8785 canonical JSON of the values a hashed record may hold, and back.

Invariant: equal values give equal bytes in every implementation and language. So there are
no floats and no integers beyond 2^53 - 1; money and ratios are decimal strings. What is
refused is refused on the way in, with its path; what is stored and could not have been
written by :func:`encode` is refused on the way out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn, TypeAlias

import rfc8785

from risk_receivers.audit.errors import NotCanonicalError, UnrecordableError

JsonValue: TypeAlias = (
    "str | int | bool | list[JsonValue] | tuple[JsonValue, ...] | Mapping[str, JsonValue] | None"
)

LARGEST_INTEGER: Final = 2**53 - 1
#: Digits, the sign among them, that any integer may have.
_LONGEST_EXACT: Final = 15
#: Deeper nesting is refused, so that no reader's recursion limit can be reached.
DEEPEST: Final = 32


_HALF: Final = "a text holds half of a surrogate pair, which no UTF-8 can carry; replace it first"
#: A text between quotes, escaped as little as JSON allows, which is what RFC 8785 wants.
quoted: Final = json.encoder.encode_basestring


def encode(value: object) -> bytes:
    """The canonical bytes of a value. Raises UnrecordableError with the path of what is refused."""
    return utf8(text(value))


def text(value: object, *, at: str = "", depth: int = 0) -> str:
    """The same as text, to be put ``at`` a place of a larger one. Raises UnrecordableError."""
    try:
        return _plain(value, depth)
    except (_RareError, TypeError):
        return _careful(_copy(value, at, depth))


def utf8(canonical: str) -> bytes:
    """The bytes of canonical text. Raises UnrecordableError."""
    try:
        return canonical.encode("utf-8")
    except UnicodeEncodeError:
        raise UnrecordableError(_HALF) from None


class _RareError(Exception):
    """A value that is to be refused with its path, or that needs more thought than most."""


def _plain(value: Any, depth: int) -> str:
    """The canonical text of what nearly every value is made of.

    By code point and by UTF-16 code unit, as the RFC sorts, is the same order for ASCII keys.
    A property test holds this to the library's bytes.
    """
    kind = type(value)
    if kind is str:
        return quoted(value)
    if value is None:
        return "null"
    if kind is dict and depth < DEEPEST:
        parts = []
        for key in sorted(value):
            if type(key) is not str or not key.isascii():
                raise _RareError
            item = value[key]
            # Most are texts: without another call.
            written = quoted(item) if type(item) is str else _plain(item, depth + 1)
            parts.append(f"{quoted(key)}:{written}")
        return f"{{{','.join(parts)}}}"
    if kind is int and -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if kind in (list, tuple) and depth < DEEPEST:
        return f"[{','.join([_plain(item, depth + 1) for item in value])}]"
    raise _RareError


def _careful(plain: object) -> str:
    """For plain JSON, which no return type of a recursive copy can say."""
    try:
        return rfc8785.dumps(plain).decode()  # type: ignore[arg-type]
    except (UnicodeEncodeError, rfc8785.CanonicalizationError):
        raise UnrecordableError(_HALF) from None


def decode(data: bytes) -> JsonValue:
    """The value of canonical bytes. Raises NotCanonicalError for anything `encode` cannot write."""
    if data.isascii() and data.count(b"{") + data.count(b"[") <= DEEPEST:
        given = data.decode("ascii")
        try:
            # In ASCII there is one order of keys, and what is written again as it was is canonical.
            # scan_once is public in JSONDecoder, and left out of its stubs: what it finds has no
            # type, and is JSON.
            found, end = _STRICT.scan_once(given, 0)  # type: ignore[attr-defined]
            if end == len(given) and "".join(_written(found, 0)) == given:
                return found  # type: ignore[no-any-return]
        except (StopIteration, ValueError, NotCanonicalError):
            pass  # what is wrong with it is found out below
    return _decode_slowly(data)


def _decode_slowly(data: bytes) -> JsonValue:
    """The same for every value, with words for whatever is wrong."""
    try:
        written = data.decode("utf-8")
        value: JsonValue = _DECODER.decode(written)
    except UnicodeDecodeError as error:
        raise NotCanonicalError(f"is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise NotCanonicalError(f"is nested deeper than {DEEPEST} levels") from None
    except ValueError as error:
        raise NotCanonicalError(f"is not JSON ({error})") from None
    try:
        again = encode(value)
    except UnrecordableError as error:
        raise NotCanonicalError(f"holds what is never written: {error}") from None
    if again != data:
        json.loads(written, object_pairs_hook=_refuse_duplicates)
        raise NotCanonicalError("is JSON, but not in its canonical form")
    return value


def _copy(value: object, path: str, depth: int) -> object:
    """Plain dicts and lists of a value; refuses what must not be hashed."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            return value
        raise UnrecordableError(
            f"{_at(path)}: an integer beyond 2^53 - 1 is not exact in JSON; write it as a string"
        )
    if depth >= DEEPEST:
        raise UnrecordableError(f"{_at(path)}: nested deeper than {DEEPEST} levels; flatten it")
    if isinstance(value, Mapping):
        return {
            _key(key, path): _copy(item, f"{path}.{key}" if path else key, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_copy(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, float):
        raise UnrecordableError(
            f"{_at(path)}: a float is not exact; write money and ratios as decimal strings"
        )
    raise UnrecordableError(
        f"{_at(path)}: {type(value).__name__} is not JSON; use text, an integer, true, false, "
        "null, a list or a table"
    )


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise UnrecordableError(f"{_at(path)}: a key is {type(key).__name__}; keys must be text")
    return key


def _at(path: str) -> str:
    return path or "the value"


def _refuse_number(text: str) -> NoReturn:
    raise NotCanonicalError(f"holds the number {text[:40]}; floats are never written")


def _exact(text: str) -> int:
    if len(text) > _LONGEST_EXACT and abs(int(text)) > LARGEST_INTEGER:
        raise NotCanonicalError("holds an integer beyond 2^53 - 1, which is not exact in JSON")
    return int(text)


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    seen: dict[str, object] = {}
    for key, value in pairs:
        if key in seen:
            raise NotCanonicalError(f"has the key {key!r} twice")
        seen[key] = value
    return seen


_DECODER = json.JSONDecoder(parse_float=_refuse_number, parse_constant=_refuse_number)
_STRICT: Final = json.JSONDecoder(
    parse_float=_refuse_number, parse_constant=_refuse_number, parse_int=_exact
)


def _writer() -> Callable[[object, int], Iterable[str]]:
    """What JSONEncoder makes anew for every value it encodes, made once."""
    made: Any = getattr(json.encoder, "c_make_encoder", None)
    if made is None:  # a Python without its C parts
        return _plain
    sort_keys, skip_keys, allow_nan = True, False, False
    write: Callable[[object, int], Iterable[str]] = made(
        None, None, quoted, None, ":", ",", sort_keys, skip_keys, allow_nan
    )
    return write


_written: Final = _writer()

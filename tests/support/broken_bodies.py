"""Bodies as nobody should send them: good pieces among broken ones, and damaged as a whole.

What a body is made of is drawn; what names a good piece is given to it when the body is rendered,
so that a good piece is one of a kind: wherever its bytes still stand in what was sent, it was sent.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: How many bodies one run sends; more are asked for with RISKWARDEN_FUZZ, and are others each time.
EXAMPLES: Final = int(os.environ.get("RISKWARDEN_FUZZ", "60"))
FUZZ: Final = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="RISKWARDEN_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
DEEP: Final = 100_000
MANY: Final = 10_000
Damage = Callable[[bytes], bytes]

#: What stands for a value that makes no sense, as it is written.
NONSENSE: Final = (
    *(b"NaN", b"-Infinity", b"Infinity", b"1e400", b"-1e400", b"9" * 400, b"9" * 5000, b"-0.0"),
    *(b"null", b"true", b"0", b'""', b"[]", b"{}", b"[{}]", b"", b"'x'", b"nul", b"\x00", b"\xff"),
    *(
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\xff\xfe"',
        b'"\xed\xa0\x80"',
        b'"\\x"',
        b'"open',
        b'"\\',
    ),
    *(b"[" * DEEP, b'{"a":' * (DEEP // 5), b"[" * 900 + b"]" * 900, b"]", b"}", b"}}}", b"]]]"),
    *(b'"' + b"x" * 50_000 + b'"', b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59-14:00"'),
    *(b'{"a":1,"a":2}', b'"\\u0000"', b"{" + b'"k":"v",' * MANY + b'"k":"v"}'),
    gzip.compress(b"[]" * 100, mtime=0),
)
CONTENT_TYPES: Final = (
    *("application/json", "text/plain", "", "multipart/form-data; boundary=x", "application/xml"),
    *("application/json; charset=utf-16", "application/x-www-form-urlencoded", "\x80/\xff"),
)

nonsense = st.sampled_from(NONSENSE)
headers = st.fixed_dictionaries(
    {"Content-Type": st.sampled_from(CONTENT_TYPES)},
    optional={"Content-Encoding": st.sampled_from(("gzip", "deflate", "br", "none of these"))},
)
_place = st.integers(0, 10_000)


def _at(body: bytes, place: int) -> int:
    return place * len(body) // 10_000


def _cut(place: int) -> Damage:
    return lambda body: body[: _at(body, place)]


def _flip(place: int, bit: int) -> Damage:
    def flip(body: bytes) -> bytes:
        at = min(_at(body, place), len(body) - 1)
        return body and body[:at] + bytes([body[at] ^ (1 << bit)]) + body[at + 1 :]

    return flip


def _insert(place: int, what: bytes) -> Damage:
    return lambda body: body[: _at(body, place)] + what + body[_at(body, place) :]


def _drop(place: int, size: int) -> Damage:
    return lambda body: body[: _at(body, place)] + body[_at(body, place) + size :]


_BITES: Final = (b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\xef\xbb\xbf", b"\xff", b"\x00")
_harm: st.SearchStrategy[Damage] = st.one_of(
    st.builds(_flip, _place, st.integers(0, 7)),
    st.builds(_insert, _place, st.sampled_from(_BITES)),
    st.builds(_insert, _place, st.binary(max_size=20)),
    st.builds(_drop, _place, st.integers(1, 30)),
)
#: One piece of a body, damaged.
piece_damage = st.one_of(st.builds(_cut, _place), _harm)
#: The body as a whole: mostly not at all, or it would be all that is looked at.
body_damage: st.SearchStrategy[list[Damage]] = st.one_of(
    st.just([]),
    st.just([]),
    st.lists(_harm, min_size=1, max_size=4),
    st.builds(_cut, _place).map(lambda cut: [cut]),
)


def with_value(good: dict[str, Any], path: tuple[str | int, ...], value: bytes) -> bytes:
    """A good piece in which something else stands in one place, as it is written."""
    mark = "here, and nowhere else"
    copy = json.loads(json.dumps(good))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = mark
    return json.dumps(copy).encode().replace(f'"{mark}"'.encode(), value)


def resident_bytes(pid: int) -> int:
    """How much memory a process has in use."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

"""Cut a JSON array that does not parse into its elements, so that good neighbours survive.

Only brackets, commas and strings are looked at; whether an element is JSON at all is for the
caller to find out. Linear in the size of the text, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from itertools import pairwise

# Possessive, and with the end of the text as a string's last resort: no backtracking.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
#: An alert's labels or annotations, maybe with its times and the like before them. No alert holds
#: another: what its own maps hold is text. The pairs before are not taken possessively, which
#: Python before 3.11.5 gets wrong for a group like this; tried again, each fails at once.
_BEGINNING = re.compile(
    rb"\{\s*+(?:" + _STRING + rb"\s*+:\s*+" + _STRING + rb"\s*+,\s*+)*"
    rb'"(?:labels|annotations)"\s*+:\s*+(?=\{)',
    re.DOTALL,
)
_ALERTS_KEY = re.compile(rb'"alerts"\s*:\s*\[')


def elements(text: bytes) -> Iterator[bytes]:
    """The elements of the array that starts at the first bracket of a text, and what follows it.

    Nothing does where the text is JSON; where a bracket too many ended the array, the rest does.
    """
    opening = text.find(b"[")
    if opening >= 0:
        end = yield from _array(text, opening)
        yield from _stripped(text[end:])


def webhook_elements(text: bytes) -> Iterator[bytes]:
    """The elements of every ``alerts`` array of a webhook body."""
    at = 0
    while key := _ALERTS_KEY.search(text, at):
        at = yield from _array(text, key.end() - 1)


def has_several_lists(text: bytes) -> bool:
    """Whether a webhook body has more than one ``alerts`` array, of which JSON knows the last."""
    first = _ALERTS_KEY.search(text)
    return first is not None and _ALERTS_KEY.search(text, first.end()) is not None


def beginnings(text: bytes) -> Iterator[bytes]:
    """Whatever begins like an alert, up to where it is complete or the next one begins.

    What stands before it counts for nothing: a quotation mark or a bracket too few makes a part
    of itself of all that follows.
    """
    starts = [found.start() for found in _BEGINNING.finditer(text)]
    for start, end in pairwise([*starts, len(text)]):
        yield _object(text[start:end])


def _array(text: bytes, opening: int) -> Generator[bytes, None, int]:
    """Its elements; returns where it ends."""
    depth, start = 1, opening + 1
    for token in _TOKEN.finditer(text, start):
        match token[0]:
            case b"[" | b"{":
                depth += 1
            case b"]" | b"}":
                depth -= 1
                if depth == 0:
                    yield from _stripped(text[start : token.start()])
                    return token.end()
            case b"," if depth == 1:
                yield from _stripped(text[start : token.start()])
                start = token.end()
            case _:
                pass
    yield from _stripped(text[start:])
    return len(text)


def _object(text: bytes) -> bytes:
    """A text up to where its first bracket is closed."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in (b"[", b"{"):
            depth += 1
        elif token[0] in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                return text[: token.end()]
    return text.strip()


def _stripped(piece: bytes) -> Iterator[bytes]:
    if stripped := piece.strip():
        yield stripped

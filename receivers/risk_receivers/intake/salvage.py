"""Cut a JSON array that does not parse into its elements, so that good neighbours survive.

Only brackets, commas and strings are looked at; whether an element is JSON at all is for the
caller to find out. Linear in the size of the text, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Possessive, and with the end of the text as a string's last resort: no backtracking.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_ALERTS_KEY = re.compile(rb'"alerts"\s*:\s*\[')


def elements(text: bytes) -> Iterator[bytes]:
    """The elements of the array that starts at the first bracket of a text."""
    opening = text.find(b"[")
    if opening < 0:
        return
    depth, start = 1, opening + 1
    for token in _TOKEN.finditer(text, start):
        match token[0]:
            case b"[" | b"{":
                depth += 1
            case b"]" | b"}":
                depth -= 1
                if depth == 0:
                    yield from _stripped(text[start : token.start()])
                    return
            case b"," if depth == 1:
                yield from _stripped(text[start : token.start()])
                start = token.end()
            case _:
                pass
    yield from _stripped(text[start:])


def webhook_elements(text: bytes) -> Iterator[bytes]:
    """The elements of the ``alerts`` array of a webhook body."""
    if key := _ALERTS_KEY.search(text):
        yield from elements(text[key.end() - 1 :])


def _stripped(piece: bytes) -> Iterator[bytes]:
    if stripped := piece.strip():
        yield stripped

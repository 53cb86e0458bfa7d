"""Texts cut to the lengths that services take, never inside what must stay whole.

Services count UTF-16 units, as their clients do. What stays whole: a character, an entity
(``&amp;``), a tag or a link of the markup. Every part of a cut HTML text is well-formed by
itself: what is open where it ends is closed there and opened again in the next part.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from typing import Final

_ENTITY: Final = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});"
_CHARACTERS: Final = re.compile(r".", re.DOTALL)
#: Slack's: links, mentions and three entities.
_MRKDWN: Final = re.compile(rf"<[^<>\n]*>|{_ENTITY}|.", re.DOTALL)
_HTML: Final = re.compile(rf"</?[a-zA-Z][^<>]*>|{_ENTITY}|.", re.DOTALL)
_TAG: Final = re.compile(r"</?([a-zA-Z][a-zA-Z0-9-]*)[^<>]*>")
_CONTROLS: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127), " ")
_ELLIPSIS: Final = "..."  # not the one character, which would make an SMS twice as long


def clean(text: str) -> str:
    """A text that any encoding takes: no halves of surrogate pairs, no control characters."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS)


def units(text: str) -> int:
    """How long services say a text is."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, most: int) -> str:
    """A plain text of at most so many units; what was left out is hinted at by an ellipsis."""
    if units(text) <= most:
        return text
    parts = _split(_CHARACTERS.findall(text), most - len(_ELLIPSIS))
    return (parts[0].rstrip() if parts else "") + _ELLIPSIS


def split(text: str, most: int) -> list[str]:
    """A plain text in parts of at most so many units."""
    return _split(_CHARACTERS.findall(text), most)


def split_mrkdwn(text: str, most: int) -> list[str]:
    """A text in Slack's markup in parts of at most so many units."""
    return _split(_broken_down(_MRKDWN.findall(text), most), most)


def split_html(text: str, most: int) -> list[str] | None:
    """An HTML text in parts of at most so many units; None if its tags leave no room for text."""
    pieces = _HTML.findall(text)
    parts: list[str] = []
    opened: tuple[str, ...] = ()
    start = 0
    while start < len(pieces):
        end, still_open = _fitting(pieces, start, opened, most)
        if end == start:
            return None
        part = "".join((*opened, *pieces[start:end], *map(_closing, reversed(still_open))))
        if html_to_plain(part).strip():  # nothing but white space is no message
            parts.append(part)
        start, opened = end, still_open
    return parts


def html_to_plain(text: str) -> str:
    """What a reader of an HTML text sees."""
    return unescape(_TAG.sub("", text))


def _split(pieces: Sequence[str], most: int) -> list[str]:
    parts = []
    start = 0
    while start < len(pieces):
        end, _ = _fitting(pieces, start, (), most, tags=False)
        end = max(end, start + 1)  # what fits nowhere is too long, but never held for ever
        part = "".join(pieces[start:end])
        if part.strip():
            parts.append(part)
        start = end
    return parts


def _fitting(
    pieces: Sequence[str], start: int, opened: tuple[str, ...], most: int, *, tags: bool = True
) -> tuple[int, tuple[str, ...]]:
    """Where a part that begins at ``start`` ends, and what is open there.

    It ends after a line if one ends in its second half, or else after a word, or else anywhere.
    """
    stack = list(opened)
    size = sum(map(units, stack))
    closing = sum(units(_closing(tag)) for tag in stack)
    any_end = word_end = line_end = (start, opened)
    middle = most / 2
    for index in range(start, len(pieces)):
        piece = pieces[index]
        size += units(piece)
        if tags and (match := _TAG.fullmatch(piece)):
            if not piece.startswith("</"):
                stack.append(piece)
                closing += units(_closing(piece))
            elif stack and _name(stack[-1]) == match[1]:
                closing -= units(_closing(stack.pop()))
        if size > most:
            break
        if size + closing <= most:
            any_end = (index + 1, tuple(stack))
            if size >= middle and piece == " ":
                word_end = any_end
            elif size >= middle and piece == "\n":
                line_end = any_end
    else:
        if any_end[0] == len(pieces):
            return any_end
    return next((end for end in (line_end, word_end) if end[0] > start), any_end)


def _broken_down(pieces: Sequence[str], most: int) -> list[str]:
    """The pieces, those that fit nowhere character by character."""
    found: list[str] = []
    for piece in pieces:
        found += [piece] if units(piece) <= most else list(piece)
    return found


def _name(tag: str) -> str:
    match = _TAG.fullmatch(tag)
    return match[1] if match else ""


def _closing(tag: str) -> str:
    return f"</{_name(tag)}>"

"""From bytes to a TOML tree. Whatever the bytes are, what is wrong with them is told by line."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from risk_policy.errors import InvalidPolicyError, Problem
from risk_policy.lines import Lines, dotted

#: A policy is some 10 KiB long; what is far longer is something else, and slow to take apart.
_LARGEST_KIB: Final = 256
#: The policy's own tables are five deep.
_DEEPEST: Final = 12
_LONG_NUMBER: Final = re.compile(r"[0-9_]{1000,}")


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is TOML.

    Attributes:
        tree: what is written, untouched.
        lines: where it is written.
    """

    tree: dict[str, Any]
    lines: Lines

    def written(self) -> dict[str, int]:
        """Every key that the file sets, with its line."""
        found: dict[str, int] = {}

        def walk(node: dict[str, Any], parts: tuple[str, ...]) -> None:
            for name, child in node.items():
                if isinstance(child, dict):
                    walk(child, (*parts, name))
                else:
                    key = dotted((*parts, name))
                    found[key] = self.lines.of(key)

        walk(self.tree, ())
        return found


def read_bytes(path: Path) -> bytes:
    """The content of a policy file. Raises InvalidPolicyError."""
    try:
        with path.open("rb") as stream:
            return stream.read((_LARGEST_KIB << 10) + 1)
    except OSError as error:
        problem = Problem("", "", f"cannot be read: {error.strerror or error}")
        raise InvalidPolicyError(str(path), (problem,)) from error
    except ValueError as error:  # a NUL within the path
        problem = Problem("", "", "cannot be read: that is no path; name the policy file")
        raise InvalidPolicyError(repr(str(path)), (problem,)) from error


def parse(data: bytes, name: str) -> Source:
    """The tree of a policy file. Raises InvalidPolicyError."""
    if len(data) > _LARGEST_KIB << 10:
        raise _invalid(
            name, f"is larger than {_LARGEST_KIB} KiB; name the policy file, a short text"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Positions are counted behind a byte order mark, if there is one.
        at = error.start + (len(data) - len(error.object))
        byte, line = data[at], data.count(b"\n", 0, at) + 1
        raise _invalid(
            name, f"is not UTF-8 at byte {at} (0x{byte:02x}); save the file as UTF-8", line
        ) from error
    lines = Lines(text)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else 0
        if not found and "end of document" in str(error):
            line = text.count("\n") + 1
        raise _invalid(name, f"is not valid TOML: {error}", line) from error
    except ValueError as error:  # an integer with more digits than Python converts
        raise InvalidPolicyError(name, (_long_number(text, lines),)) from error
    except RecursionError as error:
        deepest = max(text.split("\n"), key=lambda line: line.count("[") + line.count("{"))
        line = text.split("\n").index(deepest) + 1
        raise InvalidPolicyError(
            name, (Problem(lines.key_on(line), "", _too_deep(), line),)
        ) from error
    if key := _deeper_than(tree, _DEEPEST):
        line = lines.of(key)
        raise InvalidPolicyError(name, (Problem(key + "…", "", _too_deep(), line),))
    return Source(tree, lines)


def _invalid(name: str, message: str, line: int = 0) -> InvalidPolicyError:
    return InvalidPolicyError(name, (Problem("", "", message, line),))


def _too_deep() -> str:
    return f"is nested too deeply; nothing in a policy is more than {_DEEPEST} levels deep"


def _long_number(text: str, lines: Lines) -> Problem:
    found = _LONG_NUMBER.search(text)
    message = "holds a number that is far too long; no number here has more than 15 digits"
    if not found:
        return Problem("", "", message)
    line = text.count("\n", 0, found.start()) + 1
    return Problem(lines.key_on(line), f"{found[0][:20]}…", message, line)


def _deeper_than(tree: dict[str, Any], depth: int) -> str:
    """A key that lies deeper, cut there; empty if none does. Needs no recursion."""
    pending: list[tuple[object, tuple[str, ...]]] = [(tree, ())]
    while pending:
        node, parts = pending.pop()
        if len(parts) > depth:
            return dotted(parts)
        if isinstance(node, dict):
            pending += [(child, (*parts, name)) for name, child in node.items()]
        elif isinstance(node, list):
            pending += [
                (child, (*parts, str(index)))
                for index, child in enumerate(node)
                if isinstance(child, dict | list)
            ]
    return ""

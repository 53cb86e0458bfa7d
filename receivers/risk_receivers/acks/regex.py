"""Regular expressions of silences, matched in linear time.

Whoever can make a silence chooses the expression. Python's own engine backtracks, for hours if
the expression asks for it, and holds the interpreter's lock meanwhile: one silence would stop
the whole service, the kill switch with it. So they are run as sets of states, as Alertmanager
itself (RE2) does, and mean what they mean there: the whole value must match, classes such as
``\\d`` are ASCII, ``.`` is anything but a line break.

What this does not know (flags, Unicode and POSIX classes, word boundaries) is refused with
UnreadableRegexError, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

Predicate = Callable[[str], bool]

#: Longer programs are refused; a silence that names a thousand symbols fits.
_LONGEST_PROGRAM: Final = 20_000
#: RE2's own bound of counted repetitions.
_MOST_REPEATS: Final = 1000
_DEEPEST: Final = 50
_COUNTED: Final = re.compile(r"\{([0-9]{1,4})(?:(,)([0-9]{0,4}))?\}")
_GROUP: Final = re.compile(r"\((?:\?:|\?P?<[A-Za-z_][A-Za-z0-9_]*>|(?!\?))")
_CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}


class UnreadableRegexError(ValueError):
    """An expression that is not understood here, whatever Alertmanager makes of it."""


@dataclass(frozen=True, slots=True)
class _Take:
    """Consumes one character."""

    accepts: Predicate


@dataclass(frozen=True, slots=True)
class _Fork:
    """Goes on at all of these offsets."""

    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _At:
    """Goes on at the beginning, or the end, of the value only."""

    end: bool


_Step = _Take | _Fork | _At
_Program = tuple[_Step, ...]


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Callable[[str], bool]:
    """Whether a whole value matches. Raises UnreadableRegexError."""
    program = _Reader(pattern).program()
    return lambda value: _runs(program, value)


def literal(pattern: str) -> str | None:
    """The only value that an expression matches, if it is plain text; else None."""
    return pattern if re.fullmatch(r"[^\\.+*?()|\[\]{}^$]+", pattern) else None


def quoted(value: str) -> str:
    """An expression that matches this value alone, in Alertmanager and here."""
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", value)


def _runs(program: _Program, value: str) -> bool:
    threads = _reached(program, {0}, 0, len(value))
    for at, char in enumerate(value):
        moved = set()
        for n in threads:
            step = program[n] if n < len(program) else None
            if isinstance(step, _Take) and step.accepts(char):
                moved.add(n + 1)
        if not moved:
            return False
        threads = _reached(program, moved, at + 1, len(value))
    return len(program) in threads


def _reached(program: _Program, starts: set[int], at: int, length: int) -> set[int]:
    """Every step that can be reached without consuming anything."""
    seen: set[int] = set()
    todo = list(starts)
    while todo:
        n = todo.pop()
        if n in seen:
            continue
        seen.add(n)
        step = program[n] if n < len(program) else None
        if isinstance(step, _Fork):
            todo += [n + offset for offset in step.offsets]
        elif isinstance(step, _At) and at == (length if step.end else 0):
            todo.append(n + 1)
    return seen


class _Reader:
    """Recursive descent; every method returns the program of what it has read."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._depth = 0

    def program(self) -> _Program:
        found = self._alternatives()
        if self._at < len(self._text):
            raise self._refusal("a parenthesis too many")
        return found

    def _alternatives(self) -> _Program:
        found = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            found.append(self._sequence())
        program = found.pop()
        for branch in reversed(found):
            program = (
                _Fork((1, len(branch) + 2)),
                *branch,
                _Fork((len(program) + 1,)),
                *program,
            )
            self._measure(program)
        return program

    def _sequence(self) -> _Program:
        found: list[_Step] = []
        while self._peek() not in ("", "|", ")"):
            found += self._repeated(self._atom())
            self._measure(found)
        return tuple(found)

    def _repeated(self, atom: _Program) -> _Program:
        char = self._peek()
        if char in ("*", "+", "?"):
            self._at += 1
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        elif counted := _COUNTED.match(self._text, self._at):
            self._at = counted.end()
            least = int(counted[1])
            most = least if not counted[2] else int(counted[3]) if counted[3] else None
        else:
            return atom
        if self._peek() == "?":  # lazy: the same values match
            self._at += 1
        if self._peek() in ("*", "+", "?") or _COUNTED.match(self._text, self._at):
            raise self._refusal("a repetition of a repetition")
        if max(least, most or 0) > _MOST_REPEATS or (most is not None and most < least):
            raise self._refusal("a repetition out of bounds")
        copies = max(least, most or 0) + (most is None)
        if copies * (len(atom) + 2) > _LONGEST_PROGRAM:
            raise self._refusal("too long")
        if most is None:
            tail: _Program = (_Fork((1, len(atom) + 2)), *atom, _Fork((-len(atom) - 1,)))
        else:
            tail = (_Fork((1, len(atom) + 1)), *atom) * (most - least)
        return atom * least + tail

    def _atom(self) -> _Program:
        char = self._peek()
        if char == "(":
            return self._group()
        if char in ("^", "$"):
            self._at += 1
            return (_At(end=char == "$"),)
        if char in ("*", "+", "?"):
            raise self._refusal("nothing to repeat")
        if char == "[":
            return (_Take(self._class()),)
        self._at += 1
        if char == ".":
            return (_Take(lambda one: one != "\n"),)
        if char == "\\":
            accepts, _ = self._escape()
            return (_Take(accepts),)
        return (_Take(_same(char)),)

    def _group(self) -> _Program:
        opening = _GROUP.match(self._text, self._at)
        if opening is None:
            raise self._refusal("a flag or another kind of group")
        self._at = opening.end()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._refusal("too deep")
        inside = self._alternatives()
        self._depth -= 1
        if self._peek() != ")":
            raise self._refusal("a parenthesis missing")
        self._at += 1
        return inside

    def _escape(self) -> tuple[Predicate, str | None]:
        """What an escape accepts, and the character it stands for if it is one."""
        char = self._peek()
        self._at += 1
        if char.lower() in ("d", "w", "s") and char:
            inside = _ASCII_CLASSES[char.lower()]
            return (inside if char.islower() else _not(inside)), None
        stands_for = _CONTROLS.get(char, char)
        if not char or (char == stands_for and (char.isalnum() or ord(char) > 127)):
            raise self._refusal(f"the escape \\{char}")
        return _same(stands_for), stands_for

    def _class(self) -> Predicate:
        self._at += 1
        negated = self._peek() == "^"
        self._at += negated
        parts: list[Predicate] = []
        while not parts or self._peek() != "]":
            low_accepts, low = self._member()
            following = self._text[self._at + 1 : self._at + 2]
            if low is None or self._peek() != "-" or following in ("]", ""):
                parts.append(low_accepts)
                continue
            self._at += 1
            _, high = self._member()
            if high is None or high < low:
                raise self._refusal("a range that is none")
            parts.append(_between(low, high))
        self._at += 1
        found = tuple(parts)
        either: Predicate = lambda one: any(accepts(one) for accepts in found)  # noqa: E731
        return _not(either) if negated else either

    def _member(self) -> tuple[Predicate, str | None]:
        char = self._peek()
        if not char or self._text.startswith("[:", self._at):
            raise self._refusal("a class that is not closed, or a POSIX class")
        self._at += 1
        return self._escape() if char == "\\" else (_same(char), char)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _measure(self, program: object) -> None:
        if isinstance(program, tuple | list) and len(program) > _LONGEST_PROGRAM:
            raise self._refusal("too long")

    def _refusal(self, why: str) -> UnreadableRegexError:
        return UnreadableRegexError(f"{self._text[:100]!r}: {why}")


def _same(char: str) -> Predicate:
    return lambda one: one == char


def _not(accepts: Predicate) -> Predicate:
    return lambda one: not accepts(one)


def _between(low: str, high: str) -> Predicate:
    return lambda one: low <= one <= high


_ASCII_CLASSES: Final[dict[str, Predicate]] = {
    "d": lambda one: "0" <= one <= "9",
    "w": lambda one: one == "_" or (one.isascii() and one.isalnum()),
    "s": lambda one: one in "\t\n\f\r ",
}

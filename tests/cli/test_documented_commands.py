"""Every command that a document shows is one that the program takes: names, options, words."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from enum import Enum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import pytest
import typer

from riskwarden.app import application

ROOT = Path(__file__).parents[2]
#: What is generated is checked through what it is generated from.
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/incidents").glob("*.md")),
    *sorted((ROOT / "policy/risk_policy/catalogue/advice").glob("*.md")),
]
#: Steps of a list have theirs indented.
_BLOCK = re.compile(r"^[ \t]*```(?:sh|bash|console|)\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
#: An escaped one is a mere sign, and no code begins there.
_INLINE = re.compile(r"(?<!\\)`((?:riskwarden|\./dev) [^`]+)`")
#: Of the library that typer brings with it, which has no public name.
_USAGE_ERROR: Final[Any] = typer.BadParameter.__mro__[1]
_MORE: Final = ("…", "...")
_ENV = re.compile(r"^(?:[A-Z_]+=\S+ )+")


@cache
def whole() -> Any:
    return typer.main.get_command(application())


def shown(path: Path) -> Iterator[str]:
    """Every command line of a document, in blocks of shell and within sentences."""
    text = path.read_text(encoding="utf-8")
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            found = _ENV.sub("", line.strip().removeprefix("$ "))
            if found.startswith(("riskwarden ", "./dev ")):
                yield found
    outside = re.sub(r"^[ \t]*```.*?^[ \t]*```", "", text, flags=re.DOTALL | re.MULTILINE)
    for inline in _INLINE.findall(outside):
        words = inline.split()
        # A sentence may name an option and leave its value to the reader.
        yield " ".join([*words, "…"] if words[-1].startswith("--") else words)


def problem(line: str) -> str:
    """What is wrong with a command line; empty if nothing is."""
    words = shlex.split(re.sub(r"\[(--.*?)\]", r"\1", re.split(r"\s[|>&;]|\s#", line)[0]))
    if words[0] == "./dev":
        known = set(re.findall(r"^([a-z-]+)\)", (ROOT / "dev").read_text("utf-8"), re.MULTILINE))
        if words[1] not in known:
            return f"./dev has no {words[1]}"
        words = words[1:] if words[1] in ("cli",) else []
    return _wrong(whole(), words[1:]) if words else ""


def _wrong(command: Any, words: list[str]) -> str:
    context = typer.Context(command)
    if hasattr(command, "commands") and words and not words[0].startswith(("-", "…")):
        names = re.split(r"[|,/]", words[0])
        inner = [command.get_command(context, name) for name in names]
        if None in inner:
            if command.invoke_without_command and not command.commands:
                return ""
            return f"no command {words[0]}; there are {', '.join(sorted(command.commands))}"
        return next(filter(None, (_wrong(each, words[1:]) for each in inner if each)), "")
    kept = [
        word
        for before, word in pairwise(["", *words])
        if word not in _MORE or before.startswith("--")
    ]
    try:
        given, rest, _ = command.make_parser(context).parse_args(kept)
    except _USAGE_ERROR as error:
        return str(error)
    for option in command.params:
        known, value = _words(option.type_descriptor.annotation), given.get(option.name)
        for each in value if isinstance(value, list | tuple) else (value,):
            if known and each is not None and each not in {*known, *_MORE}:
                return f"{option.opts[0]} takes no {each}"
    left = [word for word in rest if word not in _MORE]
    return f"too many words: {left}" if left else ""


def _words(annotation: Any) -> set[str]:
    """The only words that a parameter takes; none if it takes any."""
    if isinstance(annotation, type):
        return {each.value for each in annotation} if issubclass(annotation, Enum) else set()
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return set().union(*(_words(each) for each in get_args(annotation)))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_that_a_document_shows_is_taken(path: Path) -> None:
    wrong = {line: said for line in shown(path) if (said := problem(line))}
    assert wrong == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("riskwarden kill --mode immediate --why 'x'", "No such option: --why"),
        ("riskwarden kill --mode at-once --reason x", "--mode takes no at-once"),
        ("riskwarden audit verfy", "no command verfy; there are backup"),
        ("riskwarden status now", "too many words"),
        ("./dev fly", "./dev has no fly"),
    ],
)
def test_a_command_that_is_none_is_named(line: str, said: str) -> None:
    assert said in problem(line)


def test_enough_commands_are_looked_at() -> None:
    assert sum(len(list(shown(path))) for path in DOCUMENTS) > 200

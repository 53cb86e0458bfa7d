"""Jinja2, set up so that a template can do nothing but word a message.

Sandboxed: no attribute leads out of the values it is given. Strict: a name that does not
exist is an error and not an empty space. What a template may still do is take its time and
memory, which is why those of users run in a process of their own (``workshop``).
"""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from types import TracebackType
from typing import Final

from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader, StrictUndefined
from jinja2.exceptions import TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from risk_receivers.templating.errors import BrokenTemplateError
from risk_receivers.templating.parts import BUILT_IN, Markup, Part, is_escaped

#: Prefix under which a user's template can extend or include a built-in one.
BUILT_IN_PREFIX: Final = "builtin"
#: Markup that Slack does not know as escaped, and which no value can bring along unescaped.
_SLACK_KNOWS_NO: Final = (("&#34;", '"'), ("&#39;", "'"))
_TAG: Final = re.compile(r"<[^<>]*>")
_LONGEST_PROBLEM: Final = 300


class Engine:
    """Renders templates from a folder, or the built-in ones."""

    def __init__(self, folder: Path | None = None) -> None:
        built_in = FileSystemLoader(BUILT_IN)
        loader = (
            built_in
            if folder is None
            else ChoiceLoader(
                [FileSystemLoader(folder), PrefixLoader({BUILT_IN_PREFIX: built_in}), built_in]
            )
        )
        self.environment = ImmutableSandboxedEnvironment(
            loader=loader,
            undefined=StrictUndefined,
            autoescape=is_escaped,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        del self.environment.globals["lipsum"]  # makes up text, as much as it is asked for

    def render(self, file: str, part: Part, words: dict[str, str]) -> str:
        """The output of a template. Raises BrokenTemplateError."""
        try:
            text = self._generate(file, part.longest, words)
        except BrokenTemplateError:
            raise
        except Exception as error:  # a template can fail with whatever its expressions raise
            raise _explained(error, file) from error
        if part.markup is Markup.SLACK:
            for escaped, plain in _SLACK_KNOWS_NO:
                text = text.replace(escaped, plain)
        if not _says_something(text, part.markup):
            raise BrokenTemplateError(file, 0, "comes out empty for this message")
        return text.strip("\n")

    def _generate(self, file: str, longest: int, words: dict[str, str]) -> str:
        pieces: list[str] = []
        length = 0
        for piece in self.environment.get_template(file).generate(words):
            length += len(piece)
            if length > longest:
                raise BrokenTemplateError(
                    file, 0, f"produces more than {longest} characters; shorten it or its loops"
                )
            pieces.append(piece)
        return "".join(pieces)


def _says_something(text: str, markup: Markup) -> bool:
    """Whether there is anything to read: a service refuses a message without, or shows nothing."""
    if markup in (Markup.HTML, Markup.TELEGRAM):
        text = unescape(_TAG.sub("", text))
    return any(character.isprintable() and not character.isspace() for character in text)


def _explained(error: Exception, file: str) -> BrokenTemplateError:
    if isinstance(error, TemplateSyntaxError):
        return BrokenTemplateError(error.name or file, error.lineno, _short(error.message or ""))
    where, line = _place(error.__traceback__, file)
    return BrokenTemplateError(where, line, _short(f"{error}" or type(error).__name__))


def _place(traceback: TracebackType | None, file: str) -> tuple[str, int]:
    """The innermost line of a template that an error passed through."""
    place = (file, 0)
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if name.endswith(".j2"):
            place = (Path(name).name, traceback.tb_lineno)
        traceback = traceback.tb_next
    return place


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_PROBLEM else line[: _LONGEST_PROBLEM - 1] + "…"

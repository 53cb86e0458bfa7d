"""What is wrong with templates, before a message depends on them.

Every template is parsed, every name in it looked up, and every message rendered that ordinary
and awkward alerts make; those of the user in the process in which they run when it counts.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from jinja2 import meta, nodes
from jinja2.exceptions import TemplateSyntaxError

from risk_receivers.templating.engine import Engine
from risk_receivers.templating.errors import BrokenTemplateError
from risk_receivers.templating.parts import BUILT_IN, PARTS, PLAIN, Markup, Part
from risk_receivers.templating.samples import awkward, ordinary, sample
from risk_receivers.templating.words import words
from risk_receivers.templating.workshop import Workshop

#: Files that others include begin with this.
_SHARED: Final = "_"
_NAMES: Final = frozenset(words(sample()))
#: Tags that Telegram knows, and void ones of HTML that nobody closes.
_TELEGRAM_TAGS: Final = frozenset(
    ("b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "code", "pre", "a", "blockquote")
)
_VOID: Final = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
)
#: What somebody woken by a message needs, and the names of which one says it.
_NEEDED: Final = {
    "how bad it is": ("severity", "headline"),
    "the value": ("value", "description"),
    "since when": ("since",),
    "what to do now": ("runbook_url", "advice"),
    "how to acknowledge it": ("ack_command",),
    "the head of the audit chain": ("audit_head",),
}
#: A template that hangs does so for seconds each time.
_MOST_FAILURES: Final = 3


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong, or a note on what is left out and may be meant to be.

    Attributes:
        line: 0 if it is about the whole file.
    """

    file: str
    line: int
    problem: str
    remedy: str
    is_note: bool = False


def lint(folder: Path | None = None) -> list[Finding]:
    """Everything that is wrong with the templates in a folder, or with the built-in ones."""
    where = BUILT_IN if folder is None else folder
    if not where.is_dir():
        remedy = "correct alerting.channels.templates_path; it is relative to the policy file"
        return [Finding("", 0, "is no folder", remedy)]
    engine = Engine(folder)
    found: set[Finding] = set()
    for path in sorted(where.iterdir()):
        if path.is_file():
            found |= set(_file(engine, path, is_users=folder is not None))
    return sorted(found)


def _file(engine: Engine, path: Path, *, is_users: bool) -> Iterator[Finding]:
    name = path.name
    parts = [part for part in _all_parts() if (part.file if is_users else part.source) == name]
    if not parts and not name.startswith(_SHARED):
        close = difflib.get_close_matches(name, [part.file for part in _all_parts()], n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        remedy = f"{meant}begin its name with {_SHARED} if others include it, or remove it"
        yield Finding(name, 0, "is the template of no channel, and nobody uses it", remedy)
        return
    try:
        tree = engine.environment.parse(path.read_text(encoding="utf-8"), name)
    except TemplateSyntaxError as error:
        problem = " ".join((error.message or "cannot be read").split())
        yield Finding(name, error.lineno, problem, "correct the markup of the template")
        return
    except (OSError, UnicodeDecodeError) as error:
        yield Finding(name, 0, f"cannot be read: {error}", "save it as UTF-8")
        return
    unknown = list(_unknown_names(tree, name))
    yield from unknown
    if parts and not unknown:
        if is_users:
            with Workshop(path.parent) as workshop:
                yield from _rendered(parts[0], name, workshop.render)
        else:
            part = parts[0]
            yield from _rendered(part, name, lambda file, given: engine.render(file, part, given))


def _all_parts() -> Iterator[Part]:
    yield from PLAIN
    for parts in PARTS.values():
        yield from parts


def _unknown_names(tree: nodes.Template, file: str) -> Iterator[Finding]:
    unknown = meta.find_undeclared_variables(tree) - _NAMES
    for node in tree.find_all(nodes.Name):
        if node.name in unknown and node.ctx == "load":
            close = difflib.get_close_matches(node.name, _NAMES, n=1)
            known = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(_NAMES))}"
            yield Finding(file, node.lineno, f"there is no {node.name}", known)


def _rendered(
    part: Part, file: str, render: Callable[[str, dict[str, str]], str]
) -> Iterator[Finding]:
    failures = 0
    told: set[tuple[int, str]] = set()
    for name, owed in (*ordinary(), *awkward()):
        given = words(owed)
        try:
            text = render(file, given)
        except BrokenTemplateError as error:
            failures += 1
            if (error.line, error.problem) not in told:
                told.add((error.line, error.problem))
                remedy = f"mend it for such alerts as this: {name}"
                yield Finding(error.file, error.line, error.problem, remedy)
            if failures == _MOST_FAILURES:
                return
            continue
        problem = _markup_problem(part, text)
        if problem and (0, problem) not in told:
            told.add((0, problem))
            remedy = f"close what is opened and escape what is no markup, as for: {name}"
            yield Finding(file, 0, problem, remedy)
    if not failures and part.into != "subject":
        yield from _left_out(file, render)


def _left_out(file: str, render: Callable[[str, dict[str, str]], str]) -> Iterator[Finding]:
    """What the template of a whole message does not say: found out by changing it."""
    given = words(sample())
    plain = render(file, given)
    for what, named in _NEEDED.items():
        other = {name: f"~{given[name]}" for name in named}
        if render(file, {**given, **other}) == plain:
            yield Finding(
                file, 0, f"does not say {what}", f"add {{{{ {named[0]} }}}}", is_note=True
            )


def _markup_problem(part: Part, text: str) -> str:
    if part.markup not in (Markup.HTML, Markup.TELEGRAM):
        return ""
    tags = _Tags(_TELEGRAM_TAGS if part.markup is Markup.TELEGRAM else None)
    tags.feed(text)
    # What is left is a tag without an end, which Python takes for text or for nothing, by version.
    if tags.rawdata.startswith("<"):
        return tags.problem or "a tag at the end lacks its >"
    tags.close()
    return tags.problem or (f"<{tags.open[-1]}> is never closed" if tags.open else "")


class _Tags(HTMLParser):
    """Whether tags are known and closed in order."""

    def __init__(self, known: frozenset[str] | None) -> None:
        super().__init__()
        self._known = known
        self.open: list[str] = []
        self.problem = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if self._known is not None and tag not in self._known:
            self.problem = self.problem or f"Telegram knows no <{tag}> and refuses the message"
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problem = self.problem or f"</{tag}> closes nothing that is open"

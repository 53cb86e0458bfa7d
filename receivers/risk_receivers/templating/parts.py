"""Which channel is worded by which templates, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

#: The templates that come with Riskwarden.
BUILT_IN: Final = Path(__file__).parent.parent / "channels" / "templates"


class Markup(Enum):
    """What has to be escaped in values."""

    PLAIN = "plain"
    HTML = "html"
    SLACK = "slack"  # & < > and nothing else
    TELEGRAM = "telegram"  # HTML of a few tags


@dataclass(frozen=True, slots=True)
class Part:
    """One template of a channel.

    Attributes:
        into: the field of a rendered message: subject, text or html.
        file: what the user's file is called, and the built-in one unless ``built_in`` differs.
        longest: characters beyond which the output counts as a mistake.
    """

    into: str
    file: str
    markup: Markup = Markup.PLAIN
    built_in: str = ""
    longest: int = 100_000

    @property
    def source(self) -> str:
        """The built-in template."""
        return self.built_in or self.file


def _subject(channel: str) -> Part:
    return Part("subject", f"{channel}.subject.j2", built_in="default.subject.j2")


def _text(channel: str) -> Part:
    return Part("text", f"{channel}.text.j2", built_in="default.text.j2")


PARTS: Final[Mapping[str, tuple[Part, ...]]] = {
    "email": (
        _subject("email"),
        _text("email"),
        Part("html", "email.html.j2", Markup.HTML, longest=400_000),
    ),
    "slack": (_subject("slack"), Part("text", "slack.text.j2", Markup.SLACK)),
    "telegram": (_subject("telegram"), Part("text", "telegram.html.j2", Markup.TELEGRAM)),
    "webhook": (_subject("webhook"), _text("webhook")),
    "sms": (_subject("sms"), Part("text", "sms.text.j2")),
    "apprise": (_subject("apprise"), _text("apprise")),
}

#: Of a channel that is not in the table: plain words, and no template of its own.
PLAIN: Final = (
    Part("subject", "default.subject.j2"),
    Part("text", "default.text.j2"),
)
_BY_FILE: Final = {part.file: part for parts in PARTS.values() for part in parts}


def part_of(file: str) -> Part | None:
    """The part that a file words."""
    return _BY_FILE.get(file)


def is_escaped(file: str | None) -> bool:
    """Whether values are escaped in a template; what is no part is taken for markup."""
    if file is None:
        return True
    name = file.rpartition("/")[2]
    part = _BY_FILE.get(name)
    if part is not None:
        return part.markup is not Markup.PLAIN
    return not name.startswith("default.")

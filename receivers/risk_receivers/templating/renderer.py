"""Puts messages in words: by the user's template if it works, else by the built-in one.

Nothing that a user's template does loses a message or holds it back for long.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from risk_policy import Policy
from risk_receivers.channels.message import Owed
from risk_receivers.channels.rendered import Render, Rendered
from risk_receivers.templating.engine import Engine
from risk_receivers.templating.errors import BrokenTemplateError
from risk_receivers.templating.parts import PARTS, PLAIN, Part
from risk_receivers.templating.words import clean, marked, one_line, words
from risk_receivers.templating.workshop import Workshop

#: Mail programs, phones and chats cut a heading long before.
_LONGEST_SUBJECT: Final = 250
#: Is told the channel whose template of the user's gave no message.
Broken = Callable[[str], None]
_log = logging.getLogger(__name__)


def _nobody(channel: str) -> None:
    del channel


class Renderer:
    """The templates of all channels."""

    def __init__(
        self, folder: Path | None = None, broken: Broken = _nobody, mark: str = ""
    ) -> None:
        self._folder = folder
        self._mark = mark
        self._broken = broken
        self._built_in = Engine()
        self._lock = threading.Lock()
        self._workshops: dict[str, Workshop] = {}
        if folder is not None and not folder.is_dir():
            _log.error(
                "alerting.channels.templates_path: %s is no folder; messages go out in the "
                "built-in words",
                folder,
            )

    @classmethod
    def from_policy(cls, policy: Policy, broken: Broken = _nobody) -> Renderer:
        """The templates that the policy wants."""
        return cls(templates_folder(policy), broken, policy.alerting.channels.mark)

    def render_for(self, channel: str) -> Render:
        """What puts messages in words for one channel."""
        parts = PARTS.get(channel, PLAIN)
        return lambda owed: self._render(channel, parts, owed)

    def close(self) -> None:
        """End the processes in which the user's templates are rendered."""
        with self._lock:
            for workshop in self._workshops.values():
                workshop.close()

    def _render(self, channel: str, parts: tuple[Part, ...], owed: Owed) -> Rendered:
        found = words(owed, self._mark)
        rendered = {part.into: self._part(channel, part, found) for part in parts}
        # Whatever a template of the user's shows: there are channels of which people see one alone.
        subject = marked(one_line(rendered["subject"]), self._mark)
        text = marked(rendered["text"], self._mark, "\n")
        return Rendered(clean(subject, _LONGEST_SUBJECT), text, rendered.get("html", ""))

    def _part(self, channel: str, part: Part, found: dict[str, str]) -> str:
        if self._folder is not None and (self._folder / part.file).is_file():
            try:
                return self._workshop(channel, self._folder).render(part.file, found)
            except BrokenTemplateError as error:
                _log.error(
                    "template %s/%s; message %s goes out in the built-in words; "
                    "check with: riskwarden channels lint",
                    self._folder,
                    error,
                    found["message_id"],
                )
                self._broken(channel)
        return self._built_in.render(part.source, part, found)

    def _workshop(self, channel: str, folder: Path) -> Workshop:
        with self._lock:
            return self._workshops.setdefault(channel, Workshop(folder))


def templates_folder(policy: Policy) -> Path | None:
    """Where the user's templates lie: relative to the policy file that names them."""
    path = policy.alerting.channels.templates_path
    file = policy.written_in.get("alerting.channels.templates_path", policy.source)
    return Path(file).parent / path if path else None

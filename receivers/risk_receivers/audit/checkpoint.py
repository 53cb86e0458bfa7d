"""C2SP checkpoints (c2sp.org/tlog-checkpoint): how far the chain goes, signed. Pure.

The text of the note is the log's origin, its size in decimal and its root in base64, each on a
line of its own, and one more line of ours::

    previous SIZE

which names the checkpoint that was signed before this one (0: none). So none of them can be taken
out of the middle without the next one saying so. The origin is the name of the key that signs.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from risk_receivers.audit.chain import TreeHead
from risk_receivers.audit.merkle import HASH_BYTES
from risk_receivers.audit.note import Note, NoteError

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_PREVIOUS: Final = "previous "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed.

    Attributes:
        previous: the size of the one before it.
        extensions: lines of others, which mean nothing here.
    """

    origin: str
    head: TreeHead
    previous: int | None = None
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text to be signed."""
        lines = [self.origin, str(self.head.size), base64.b64encode(self.head.root).decode()]
        if self.previous is not None:
            lines.append(f"{_PREVIOUS}{self.previous}")
        return "\n".join([*lines, *self.extensions]) + "\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """A checkpoint of a note's text, whoever signed it. Raises NoteError."""
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 3 or not all(lines):
            raise NoteError("is no checkpoint: origin, size and root stand on a line each")
        origin, size, encoded, *rest = lines
        if not _SIZE.fullmatch(size):
            raise NoteError(f"is no checkpoint: {size[:20]!r} is no size")
        try:
            root = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            root = b""
        if len(root) != HASH_BYTES or base64.b64encode(root).decode() != encoded:
            raise NoteError("is no checkpoint: its root is not that of a tree")
        previous = None
        if rest and rest[0].startswith(_PREVIOUS):
            said = rest.pop(0).removeprefix(_PREVIOUS)
            if not _SIZE.fullmatch(said):
                raise NoteError(f"is no checkpoint: {said[:20]!r} is no size")
            previous = int(said)
        return cls(origin, TreeHead(int(size), root), previous, tuple(rest))

    @classmethod
    def of(cls, data: bytes) -> tuple[Checkpoint, Note]:
        """A checkpoint and the note that it stands in. Raises NoteError."""
        note = Note.parse(data)
        return cls.parse(note.text), note

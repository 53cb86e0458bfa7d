"""One attack, and the layer that is to give it away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tampering.forger import Forger


class Layer(Enum):
    """What can tell, by the name that the table shows and the words that a verifier uses."""

    PAYLOAD = ("payload hash", "the payload is not the one that the header's hash was made of")
    RECORD = ("record checksum", "the stored checksum is not the header's")
    LINK = ("link to the record before", "does not follow from the record before it")
    NUMBER = (
        "record number",
        r"the header says seq|missing before it|stands where record|a payload without a header",
    )
    CANONICAL = ("canonical form", r"has the key .* twice|not in its canonical form")
    RETENTION = ("retention has to be on record", r"no retention allowed that\Z")
    FOR_EVER = ("retention rule", "no retention allowed that: this record is kept for ever")
    NOT_DUE = ("retention rule", "no retention allowed that: .* named it before it was due")
    CLOCK = ("clock rule", "retention was applied at")
    #: Nothing is written after it any more; a verifier says why.
    START = ("the store, which does not start", r"\A\Z")
    STAGED = ("segment files", "is staged as something else")
    NOTED = ("noted head", "it was seen with")
    CHECKPOINT = ("signed Merkle root", "was signed over other records than these")
    SIGNATURE = ("checkpoint signature", r"does not fit|is not signed by")
    UNSIGNED = ("signing on record", "have no signed checkpoint")
    MISSING = ("checkpoints are numbered", "checkpoints were deleted or added")
    MEMORY = ("signer's memory", "records was signed, but the chain ends at")
    #: Nothing on the machine can tell; who has kept the right key can.
    PINNED = ("pinned key", "pinned")
    #: Not even that; a head that was seen elsewhere can.
    WITNESS = ("witness", r"\A\Z")

    @property
    def title(self) -> str:
        """As the table names it."""
        return self.value[0]

    @property
    def words(self) -> str:
        """A pattern of what a verifier says."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Case:
    """One attack.

    Attributes:
        does: what the attacker does, as the table tells it.
        attack: does it.
        caught: by what the verifier knows it, the first of them the one that is meant for it.
        at: the records that the verifier names, in order.
        in_files: whether it is a chain in segment files that is attacked.
    """

    name: str
    does: str
    attack: Callable[[Forger], None]
    caught: tuple[Layer, ...]
    at: tuple[int, ...] = ()
    in_files: bool = False

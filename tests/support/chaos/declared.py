"""What a scenario is: what is done to what, what must hold, and what was seen."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from riskwarden.stack.stack import Replay

if TYPE_CHECKING:
    from chaos.world import World

#: Lines of the policy, each with what stands there instead.
Edits = tuple[tuple[str, str], ...]
#: A quiet year, slowly: nothing trips by itself while somebody looks on.
QUIET: Final = Replay("2007-01-03", "2007-12-31", 1.0)


class Needs(StrEnum):
    """What a scenario needs of the machine; without it, it is left out, and that is said."""

    NETWORK = "a network namespace of its own, and nft"
    MOUNTS = "a mount namespace of its own"
    LOOP = "a loop device and ext4"
    CLOCK = "libfaketime"


class KillBy(StrEnum):
    """Who asks for the kill switch while something is broken."""

    FEED = "the alert feed"
    COMMAND = "riskwarden kill"


@dataclass(frozen=True, slots=True)
class Must:
    """Something that has to become so.

    Attributes:
        what: in a sentence.
        holds: looks whether it is so.
        within_seconds: it has to be so by then.
        detail: what else is told of it.
    """

    what: str
    holds: Callable[[World], object]
    within_seconds: float
    detail: Callable[[World], str] = field(default=lambda _: "")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to fail.

    Attributes:
        what: what is done to what.
        harm: does it, and ends it.
        broken: what must hold while it lasts, in this order.
        mended: what must hold once it is over, in this order.
        kill: who trips the kill switch meanwhile, if somebody does.
        kill_within_seconds: by when no new risk may pass from then on.
        tripped: what must hold after that, while it still lasts.
        needs: of the machine.
        edits: lines of the policy that differ from the one that is shipped.
        beside: a service that the stack uses, with the lines that name it; it keeps itself in
            mind among the facts.
        disk: what is mounted first: for the folder of all data and for the store in it.
        prepare: what is done before, when the gate is open.
        short: whether it belongs to what every test run does.
    """

    what: str
    harm: Callable[[World], AbstractContextManager[None]]
    broken: tuple[Must, ...] = ()
    mended: tuple[Must, ...] = ()
    kill: KillBy | None = None
    kill_within_seconds: float = 2.0
    tripped: tuple[Must, ...] = ()
    needs: tuple[Needs, ...] = ()
    edits: Edits = ()
    beside: Callable[[dict[str, Any]], AbstractContextManager[Edits]] | None = None
    disk: Callable[[Path, Path], AbstractContextManager[None]] | None = None
    prepare: Callable[[World], None] | None = None
    replay: Replay = QUIET
    short: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one thing that must hold."""

    what: str
    held: bool
    seen: str


@dataclass(slots=True)
class Outcome:
    """What became of a scenario."""

    name: str
    what: str
    seen: list[Seen] = field(default_factory=list)
    trouble: str = ""
    left_out: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether all that must hold was seen to hold."""
        return bool(self.seen) and not self.trouble and all(one.held for one in self.seen)

    @property
    def word(self) -> str:
        """In one word."""
        if self.left_out:
            return "left out"
        return "held" if self.passed else "FAILED"

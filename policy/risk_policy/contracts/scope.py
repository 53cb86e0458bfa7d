"""What a restriction or a kill covers: everything, or what agrees with every label it names.

Whether an order lies within is asked in two ways, and both err towards safety. What may add risk is
covered unless it can be told apart: an order that does not say its strategy is within the scope of
every strategy (:meth:`Scope.may_cover`). What is closed is closed because it certainly lies within
(:meth:`Scope.includes`): nobody's position is sold on a guess.
"""

from __future__ import annotations

from typing import Final, Protocol, Self

from pydantic import BaseModel, ConfigDict

#: Every label a scope can name, the widest first.
SCOPE_LABELS: Final = ("account", "strategy", "venue", "sector", "asset", "symbol")
_ALL: Final = "*"


class Subject(Protocol):
    """What can lie within a scope; an empty label is one that nobody told."""

    @property
    def account(self) -> str: ...
    @property
    def strategy(self) -> str: ...
    @property
    def venue(self) -> str: ...
    @property
    def sector(self) -> str: ...
    @property
    def asset(self) -> str: ...
    @property
    def symbol(self) -> str: ...


class Scope(BaseModel):
    """The labels that what is covered has; an empty one may be anything.

    As text: ``*``, or ``account=main,symbol=BTC-EUR``.
    """

    # A label of a later version narrows it in a way that is not understood here.
    model_config = ConfigDict(frozen=True, extra="forbid")

    account: str = ""
    strategy: str = ""
    venue: str = ""
    sector: str = ""
    asset: str = ""
    symbol: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The scope that a text names. Raises ValueError that says what is wrong with it."""
        if text.strip() == _ALL:
            return cls()
        labels: dict[str, str] = {}
        for part in text.split(","):
            name, _, value = (piece.strip() for piece in part.partition("="))
            if name not in SCOPE_LABELS or not value:
                raise ValueError(
                    f"{part.strip()!r} is no scope: write {_ALL}, or label=value with a label of "
                    f"{', '.join(SCOPE_LABELS)}, several of them with commas between"
                )
            if name in labels:
                raise ValueError(f"the scope names {name} twice")
            labels[name] = value
        return cls(**labels)

    def __str__(self) -> str:
        """The text that :meth:`parse` takes."""
        return ",".join(f"{name}={value}" for name, value in self.labels.items()) or _ALL

    @property
    def labels(self) -> dict[str, str]:
        """What it names."""
        named = ((name, getattr(self, name)) for name in SCOPE_LABELS)
        return {name: value for name, value in named if value}

    @property
    def is_everything(self) -> bool:
        """Whether there is nothing that it does not cover."""
        return not self.labels

    def may_cover(self, subject: Subject) -> bool:
        """Whether nothing says that the subject lies outside."""
        return all(getattr(subject, name) in ("", value) for name, value in self.labels.items())

    def includes(self, subject: Subject) -> bool:
        """Whether the whole subject certainly lies within."""
        return all(getattr(subject, name) == value for name, value in self.labels.items())


#: What there is nothing outside of.
EVERYTHING: Final = Scope()

"""How a scenario's test says what was seen of each line of its end.

Each line is looked at by itself: one that does not hold keeps none of the others from being looked
at, and the test fails with all of them in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: By this name a report of pytest carries what was seen.
PROPERTY: Final = "then"
_LONGEST: Final = 600


class Thens:
    """Notes what becomes of each line.

    Args:
        note: takes (name, value); pytest's ``record_property``.
    """

    def __init__(self, note: Callable[[str, object], None]) -> None:
        self._note = note
        self._missed: list[Exception] = []

    @contextmanager
    def __call__(self, key: str) -> Iterator[Callable[[str], None]]:
        """Look at a line; what is yielded takes what was seen, once it is known to hold."""
        said: list[str] = []
        held = False
        try:
            yield said.append
            assert said, f"the test does not say what was seen of {key!r}"
            held = True
        except Exception as error:  # noqa: BLE001 - what breaks off has not held, and says with what
            self._missed.append(error)
            said.append(" ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST])
        self._note(PROPERTY, {"key": key, "held": held, "seen": "; ".join(said)})

    def settle(self) -> None:
        """Raise what did not hold."""
        if len(self._missed) == 1:
            raise self._missed[0]
        if self._missed:
            raise ExceptionGroup("these lines of the scenario do not hold", self._missed)

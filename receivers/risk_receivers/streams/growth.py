"""Tells that something was recorded to whoever wants to know at once."""

from __future__ import annotations

from collections.abc import Callable


class Growth:
    """What is called by the store's writer may wait for nothing."""

    def __init__(self) -> None:
        self._told: tuple[Callable[[], None], ...] = ()

    def tell(self, what: Callable[[], None]) -> None:
        """From now on call this, too."""
        self._told = (*self._told, what)

    def happened(self) -> None:
        """Something was recorded."""
        for tell in self._told:
            tell()

"""Daily closes that hold for every account: a close is a fact of the market, not of an account.

Each account takes over those of the symbols it holds, at the next snapshot after they became
known. They go before the marks of its own that stood in for them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from risk_exporter.errors import StateError
from risk_exporter.history import check_closes
from risk_exporter.memory import Closes, StateFolder


class MarketCloses:
    """Thread-safe. Begins with what is remembered. Raises StateError."""

    def __init__(self, folder: StateFolder) -> None:
        self._lock = threading.Lock()
        self._folder = folder
        self._remembered = folder.load_market()
        self._closes: Closes = {}
        self._version = 0
        self._merge(self._remembered)

    @property
    def version(self) -> int:
        """Rises whenever closes were added; 0 while there are none."""
        return self._version

    def of(self, symbols: Iterable[str]) -> Closes:
        """What is known of some symbols."""
        with self._lock:
            return {s: dict(self._closes[s]) for s in symbols if s in self._closes}

    def add(self, closes: Mapping[str, Mapping[str, float]], *, remember: bool) -> None:
        """Merge closes by symbol and ISO date; the later word wins.

        Args:
            remember: on disk, and durably so before they count.

        Raises:
            HistoryError: naming the symbol and day that cannot be used.
            StateError: they cannot be stored. Nothing was changed.
        """
        checked = check_closes(closes)
        with self._lock:
            if remember:
                remembered = {symbol: dict(series) for symbol, series in self._remembered.items()}
                for symbol, series in checked.items():
                    remembered.setdefault(symbol, {}).update(series)
                try:
                    self._folder.save_market(remembered)
                except OSError as error:
                    raise StateError(
                        f"the closes are not stored: {self._folder.path}: {error.strerror}"
                    ) from error
                self._remembered = remembered
            self._merge(checked)

    def _merge(self, closes: Closes) -> None:
        for symbol, series in closes.items():
            self._closes.setdefault(symbol, {}).update(series)
        if closes:
            self._version += 1

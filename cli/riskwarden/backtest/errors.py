"""What can go wrong around a backtest."""

from __future__ import annotations


class BacktestInputError(Exception):
    """An input file cannot be used: where, what stands there, and what would be right."""

    def __init__(self, source: str, line: int, column: str, problem: str) -> None:
        place = f"{source}:{line}" if line else source
        super().__init__(f"{place}: {column}: {problem}" if column else f"{place}: {problem}")


class PromtoolError(Exception):
    """promtool is missing or cannot be run."""

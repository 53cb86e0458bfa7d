"""A plugin of pytest that writes down what becomes of each test, as soon as that is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

OPTION: Final = "--acceptance-results"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to write."""
    parser.addoption(OPTION, type=Path, default=None, help="a line of JSON for each test")


def pytest_configure(config: pytest.Config) -> None:
    """Those that share the work tell the one that shares it out, which alone writes."""
    place = config.getoption(OPTION)
    if place is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Recorder(place), "acceptance-recorder")


class _Recorder:
    def __init__(self, place: Path) -> None:
        self._place = place
        self._seconds: dict[str, float] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write(report.nodeid, "failed", str(report.longrepr), 0.0, [])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        seconds = self._seconds.get(report.nodeid, 0.0) + report.duration
        self._seconds[report.nodeid] = seconds
        if report.when == "call" or not report.passed:
            why = _why(report) if not report.passed else ""
            self._write(report.nodeid, report.outcome, why, seconds, report.user_properties)

    def _write(
        self, test: str, outcome: str, why: str, seconds: float, properties: list[tuple[str, Any]]
    ) -> None:
        told = {
            "test": test,
            "outcome": outcome,
            "why": why,
            "seconds": seconds,
            "properties": properties,
        }
        with self._place.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(told, default=str) + "\n")


def _why(report: pytest.TestReport) -> str:
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(getattr(crash, "message", report.longrepr or ""))
    return message if report.when == "call" else f"in its {report.when}: {message}"

"""Snapshots of a trading account in, risk measures for Prometheus out.

Five lines embed it::

    policy = load_policy(default_policy_path())
    with RiskExporter(policy, Path("var/risk")) as exporter, ExporterServer(exporter):
        while trading:
            exporter.observe(snapshot)
"""

from risk_exporter.errors import (
    ClosesFileError,
    ExporterError,
    HistoryError,
    Refusal,
    SnapshotRefusedError,
    StartError,
    StateBusyError,
    StateError,
)
from risk_exporter.exporter import RiskExporter
from risk_exporter.fast_lane import FastLane
from risk_exporter.measures import Measures
from risk_exporter.server import ExporterServer

__all__ = [
    "ClosesFileError",
    "ExporterError",
    "ExporterServer",
    "FastLane",
    "HistoryError",
    "Measures",
    "Refusal",
    "RiskExporter",
    "SnapshotRefusedError",
    "StartError",
    "StateBusyError",
    "StateError",
]

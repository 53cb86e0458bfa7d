"""The fast lane: what trips the kill switch is told to the receivers without Prometheus.

A breach reaches the gate in milliseconds, however often Prometheus looks. What is posted are the
alerts that Prometheus raises by its rules, so that the two of them are one incident; whichever
comes first opens it.
"""

from risk_exporter.fast_lane.decision import KILL_TIERS
from risk_exporter.fast_lane.lane import FastLane

__all__ = ["KILL_TIERS", "FastLane"]

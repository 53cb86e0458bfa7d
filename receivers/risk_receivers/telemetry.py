"""What the service says about itself to Prometheus. Every name comes from the catalogue."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_policy.catalogue.system import SECURITY_ALERTS
from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Escalation
from risk_receivers.histogram import Histogram

COMPONENT: Final = "receivers"
#: What a refused token counts as.
AUTH_FAILED: Final = (m.SECURITY_EVENTS, "auth_failed")
#: And what is asked too often.
RATE_LIMITED: Final = (m.SECURITY_EVENTS, "rate_limited")
#: A log-in that failed.
LOGIN_FAILED: Final = (m.SECURITY_EVENTS, "login_failed")
#: Samples of one metric: label values in the catalogue's order, and the value.
Samples = Iterable[tuple[tuple[str, ...], float]]


#: Counters of which the first event counts: Prometheus sees no growth in what was never at 0.
_FROM_ZERO: Final[Mapping[Metric, Sequence[tuple[str, ...]]]] = {
    m.INCIDENT_ESCALATIONS: [(why.value,) for why in Escalation],
    m.AUDIT_RECORDED: [(kind.value,) for kind in EventType],
    m.FEED_ALERTS: [
        (feed, outcome)
        for feed in ("alerts", "notifications")
        for outcome in ("created", "escalated", "repeated", "resolved", "ignored")
    ],
    m.SECURITY_EVENTS: [(kind,) for kind in SECURITY_ALERTS],
    m.LOGINS: [(outcome,) for outcome in ("succeeded", "failed", "locked", "busy", "logged_out")],
    m.UNEXPECTED_ERRORS: [(COMPONENT,)],
}


class Telemetry:
    """Counters and times that the service keeps, and gauges that are read when somebody looks."""

    def __init__(self, bounds: Mapping[Metric, Sequence[float]] | None = None) -> None:
        """``bounds`` are those of the histograms."""
        self._lock = threading.Lock()
        self._counters: dict[Metric, dict[tuple[str, ...], float]] = {
            metric: dict.fromkeys(labels, 0.0) for metric, labels in _FROM_ZERO.items()
        }
        self._gauges: dict[Metric, dict[tuple[str, ...], float]] = {}
        self._bounds = dict(bounds or {})
        self._histograms: dict[Metric, dict[tuple[str, ...], Histogram]] = {}
        self._sources: list[Callable[[], Mapping[Metric, Samples]]] = []
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Bump a counter."""
        with self._lock:
            values = self._counters.setdefault(metric, {})
            values[labels] = values.get(labels, 0) + by

    def measure(self, metric: Metric, *labels: str, seconds: float | None = None) -> None:
        """Count how long something took; without a time, that it is counted from now on."""
        with self._lock:
            histograms = self._histograms.setdefault(metric, {})
            if labels not in histograms:
                histograms[labels] = Histogram(self._bounds.get(metric, ()))
            if seconds is not None:
                histograms[labels].observe(seconds)

    def unexpected(self) -> None:
        """Count an exception that nobody had planned for."""
        self.count(m.UNEXPECTED_ERRORS, COMPONENT)

    def recorded(self, types: Iterable[str]) -> None:
        """Count events that are in the audit chain now."""
        for kind, number in Counter(types).items():
            self.count(m.AUDIT_RECORDED, kind, by=number)

    def set(self, metric: Metric, *labels: str, value: float) -> None:
        """Set a gauge that nobody computes on demand."""
        with self._lock:
            self._gauges.setdefault(metric, {})[labels] = value

    def add_source(self, source: Callable[[], Mapping[Metric, Samples]]) -> None:
        """Ask this for gauges at every scrape."""
        self._sources.append(source)

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Family]:
        """For prometheus_client."""
        with self._lock:
            counters = {metric: dict(values) for metric, values in self._counters.items()}
            gauges: dict[Metric, Samples] = {
                metric: list(values.items()) for metric, values in self._gauges.items()
            }
            times = {
                metric: {labels: (one.buckets, one.sum) for labels, one in histograms.items()}
                for metric, histograms in self._histograms.items()
            }
        for metric, measured in times.items():
            histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, (buckets, total) in sorted(measured.items()):
                histogram.add_metric(labels, buckets, total)
            yield histogram
        for metric, values in counters.items():
            counter = CounterMetricFamily(
                metric.name.removesuffix("_total"), metric.help, labels=metric.labels
            )
            for labels, value in sorted(values.items()):
                counter.add_metric(labels, value)
            yield counter
        for source in self._sources:
            gauges.update(source())
        for metric, samples in gauges.items():
            gauge = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, value in samples:
                gauge.add_metric(labels, value)
            yield gauge


def policy_info(digest: str) -> Mapping[Metric, Samples]:
    """Which policy this component runs on."""
    return {m.POLICY_INFO: [((COMPONENT, digest), 1.0)]}

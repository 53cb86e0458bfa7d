"""What a metric is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One exported metric family.

    Attributes:
        name: the sample name, counters included, as it stands in PromQL.
        help: the one help text.
        labels: label names in the order in which they are exposed.
        kind: Prometheus type.
        component: who exports it; ``monitor`` is a security monitor of the user's own.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Literal["gauge", "counter", "histogram", "info"] = "gauge"
    component: Literal["exporter", "receivers", "rules", "monitor"] = "exporter"

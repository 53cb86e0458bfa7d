"""What a metric is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

#: The label of a histogram's buckets: the largest value that counts into one.
BOUND: Final = "le"


@dataclass(frozen=True, slots=True)
class Metric:
    """One exported metric family.

    Attributes:
        name: the sample name, counters included, as it stands in PromQL; of a histogram what its
            samples begin with.
        help: the one help text.
        labels: label names in the order in which they are exposed.
        kind: Prometheus type.
        component: who exports it; ``prometheus`` are Prometheus and Alertmanager, about themselves.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Literal["gauge", "counter", "histogram", "info"] = "gauge"
    component: Literal["exporter", "receivers", "rules", "prometheus"] = "exporter"

    def __hash__(self) -> int:
        """A name is one metric's. Whoever counts asks for this with every request."""
        return hash(self.name)

    @property
    def samples(self) -> dict[str, tuple[str, ...]]:
        """The names of its samples, and the labels of each."""
        if self.kind != "histogram":
            return {self.name: self.labels}
        return {
            f"{self.name}_bucket": (*self.labels, BOUND),
            f"{self.name}_count": self.labels,
            f"{self.name}_sum": self.labels,
        }

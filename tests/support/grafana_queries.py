"""What Grafana would ask Prometheus for a dashboard: its queries, with every variable replaced."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

GENERATED = Path(__file__).parents[2] / "grafana" / "generated"
_LABEL_VALUES = re.compile(r"label_values\((?P<series>.+), (?P<label>\w+)\)")
#: Panels of what only a runtime with the exporter inside it counts: a snapshot does not tell it.
EMBEDDED_ALONE = ("Orders that were refused",)
#: Fine enough to meet whatever lasted for a few seconds.
_STEP_SECONDS = 5
#: "All" is chosen everywhere.
_CHOSEN = dict.fromkeys(("job", "instance", "account", "strategy", "venue", "symbol"), ".+")


@dataclass(frozen=True)
class Asked:
    """One query, and whose it is."""

    dashboard: str
    panel: str
    expression: str
    instant: bool
    #: Between two scrapes of what it is about.
    interval: str = "1s"

    def __str__(self) -> str:
        return f"{self.dashboard} / {self.panel}: {self.expression}"


def dashboards() -> dict[str, dict[str, Any]]:
    """Every dashboard as it is committed, by the name of its file."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in GENERATED.glob("*.json")}


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every panel but the headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Asked]:
    """Those of every panel, of what is marked in panels, and of every variable."""
    for name, dashboard in sorted(dashboards().items()):
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield Asked(
                    name,
                    panel["title"],
                    target["expr"],
                    target["instant"],
                    target.get("interval", "1s"),
                )
        for mark in dashboard["annotations"]["list"]:
            yield Asked(name, f"annotation {mark['name']}", mark["expr"], instant=False)
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
                assert found, variable
                expression = f"count by ({found['label']}) ({found['series']})"
                yield Asked(name, f"variable {variable['name']}", expression, instant=True)


def replaced(expression: str, *, scrape_seconds: float, range_seconds: float) -> str:
    """As Grafana sends it, with "All" for every variable that can be chosen."""
    step = max(scrape_seconds, math.ceil(range_seconds / 1000))
    values = {
        **_CHOSEN,
        "__range": f"{math.ceil(range_seconds)}s",
        "__interval": f"{step:g}s",
        "__rate_interval": f"{max(step + scrape_seconds, 4 * scrape_seconds):g}s",
    }
    text = re.sub(r"\$(\w+)", lambda found: values[found[1]], expression)
    assert "$" not in text, text
    return text


def unanswered(prometheus: str, asked: Iterable[Asked], *, seconds: float) -> list[Asked]:
    """Those for which a Prometheus has not one number in the last seconds, up to now."""
    with httpx.Client(base_url=prometheus, trust_env=False, timeout=30) as client:
        now = time.time()
        asked = list(asked)
        alike = {(one.expression, one.instant): one for one in asked}  # many are on every dashboard
        found = {key: _numbers(client, one, now - seconds, now) for key, one in alike.items()}
        return [one for one in asked if not found[one.expression, one.instant]]


def _numbers(client: httpx.Client, asked: Asked, start: float, end: float) -> bool:
    scrape = float(asked.interval.removesuffix("s"))
    expression = replaced(asked.expression, scrape_seconds=scrape, range_seconds=end - start)
    if asked.instant:
        path, when = "/api/v1/query", {"time": end}
    else:
        path, when = "/api/v1/query_range", {"start": start, "end": end, "step": _STEP_SECONDS}
    answer = client.post(path, data={"query": expression, **when}).json()
    assert answer["status"] == "success", f"{asked}: {answer}"
    return any(
        math.isfinite(float(text))
        for series in answer["data"]["result"]
        for _, text in (series.get("values") or [series["value"]])
    )

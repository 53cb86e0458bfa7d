"""Whoever runs on this machine, asked by GET: what it is, and what it says without a token.

Invariant: no other method, no other machine, no credentials, no redirect followed.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from risk_exporter.errors import ExporterError
from risk_exporter.fetch import Origin, fetch
from risk_policy.catalogue import metrics as m
from risk_policy.model.base import split_endpoint
from risk_policy.model.stack import Endpoints
from riskwarden.safety_snapshot.sources import Sources

#: A part that is well answers in milliseconds; this is asked of four of them, one after the other.
_PATIENCE_SECONDS: Final = 2.0
_MOST_BYTES: Final = 32 * 2**20
_PATHS: Final = {
    "receivers": "/metrics",
    "exporter": "/metrics",
    "prometheus": "/api/v1/status/buildinfo",
    "alertmanager": "/api/v2/status",
}
#: How a part writes what it measures when it is asked plainly.
_ACCEPT: Final = {"Accept": "application/json, text/plain; version=0.0.4"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of a part's metrics."""

    name: str
    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Running:
    """What parts that run say.

    Attributes:
        exporter_at: its URL, if it answered.
        samples: by part, what it measures.
        versions: by part.
    """

    exporter_at: str | None = None
    samples: dict[str, tuple[Sample, ...]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def value(self, part: str, name: str) -> float | None:
        """A number that has no labels."""
        return next((one.value for one in self.samples.get(part, ()) if one.name == name), None)

    def labels(self, part: str, name: str) -> Iterable[dict[str, str]]:
        """The label sets of a metric."""
        return (one.labels for one in self.samples.get(part, ()) if one.name == name)


def ask(endpoints: Endpoints, wanted: frozenset[str], sources: Sources) -> Running:
    """Ask every part on this machine once.

    Args:
        wanted: names of the metrics that matter.
    """
    samples: dict[str, tuple[Sample, ...]] = {}
    versions: dict[str, str] = {}
    exporter_at = None
    for part, path in _PATHS.items():
        # A name could be given to any machine; its address cannot.
        url = f"http://{getattr(endpoints, part)}".replace("//localhost:", "//127.0.0.1:")
        body = _get(part, url, path, getattr(endpoints, part), sources)
        if body is None:
            continue
        try:
            if path == "/metrics":
                found = tuple(_samples(body.decode(), wanted | {m.POLICY_INFO.name}))
                if not any(one.labels.get("component") == part for one in found):
                    raise ValueError(part)  # noqa: TRY301 - as what cannot be parsed
                samples[part] = found
            else:
                versions[part] = _version(part, json.loads(body))
        except (ValueError, KeyError, TypeError):
            sources.unreadable(part, url + path, "what answers there is not it")
            continue
        if part == "exporter":
            exporter_at = url
        sources.read(part, url + path, sources.clock())
    return Running(exporter_at, samples, versions)


def _get(part: str, url: str, path: str, endpoint: str, sources: Sources) -> bytes | None:
    if not is_this_machine(endpoint):
        sources.not_asked(part, url + path, "it is not an address of this machine's loopback")
        return None
    try:
        answered = fetch(
            Origin.parse(url, part),
            "GET",
            path,
            headers=_ACCEPT,
            timeout_seconds=_PATIENCE_SECONDS,
            most_bytes=_MOST_BYTES,
        )
    except ExporterError:
        sources.absent(part, url + path, "nobody answers")
        return None
    if answered.status != HTTPStatus.OK:
        sources.unreadable(part, url + path, f"it answers {answered.status}")
        return None
    return answered.body


def is_this_machine(endpoint: str) -> bool:
    """Whether an address cannot be any other machine's."""
    try:
        host, _ = split_endpoint(endpoint)
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _samples(text: str, wanted: frozenset[str]) -> Iterable[Sample]:
    # Ten thousand positions are a megabyte; only what matters is taken apart.
    lines = (line for line in text.splitlines() if line.partition("{")[0].split(" ")[0] in wanted)
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            yield Sample(sample.name, dict(sample.labels), float(sample.value))


def _version(part: str, content: Any) -> str:
    found = (
        content["data"]["version"] if part == "prometheus" else content["versionInfo"]["version"]
    )
    if not isinstance(found, str):
        raise TypeError(part)
    return found[:100]

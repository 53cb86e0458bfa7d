"""Asks Prometheus which heads of the audit chain it has seen."""

from __future__ import annotations

import math
from typing import Any, Final

import httpx

from risk_receivers.audit import witness
from risk_receivers.audit.chain import Head
from risk_receivers.errors import ReceiversError
from risk_receivers.trust import verify

#: Prometheus refuses more than 11,000.
_MOST_STEPS: Final = 2000
#: What happened lately is looked at ever more closely: what was done to the chain between two
#: scrapes of long ago is told by the next head that was seen, but nothing follows on the last.
_CLOSER_HOURS: Final = (24.0, 1.0, 0.05)
_TIMEOUT_SECONDS: Final = 10.0


class WitnessUnreachableError(ReceiversError):
    """Prometheus does not answer, or not what was asked."""


def seen_heads(url: str, *, hours: float, now: float, instance: str | None = None) -> list[Head]:
    """The heads that it has seen in so many hours before ``now``, a Unix time, the shortest first.

    In each of some thousand stretches of that time, the last one, and the more of them the later.
    Raises WitnessUnreachableError and WitnessError.
    """
    found: set[Head] = set()
    try:
        with httpx.Client(
            base_url=url.rstrip("/"),
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
            verify=verify(url),
        ) as client:
            for stretch in (hours, *(closer for closer in _CLOSER_HOURS if closer < hours)):
                found.update(witness.heads(_answer(client, stretch * 3600, now, instance)))
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, TypeError, ValueError) as error:
        raise WitnessUnreachableError(f"{url}: {str(error) or type(error).__name__}") from None
    return sorted(found, key=lambda head: (head.size, head.checksum))


def _answer(client: httpx.Client, seconds: float, now: float, instance: str | None) -> Any:
    step = math.ceil(seconds * 1000 / _MOST_STEPS)
    end = math.ceil(now)
    asked = {
        "query": witness.question(instance, step),
        # Whole steps, so that the last of them ends with the end.
        "start": end - step * _MOST_STEPS / 1000,
        "end": end,
        "step": step / 1000,
    }
    answer = client.post("/api/v1/query_range", data=asked)
    answer.raise_for_status()
    said: Any = answer.json()
    return said["data"]["result"]

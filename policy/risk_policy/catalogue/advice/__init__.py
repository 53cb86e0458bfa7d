"""What people do about an alert: written by hand, one file for each family of alerts.

A family is a limit, or alerts that are dealt with alike. Each file has four parts: impact,
diagnosis with the PromQL to ask, steps, and when to escalate. Runbooks put them under what the
policy says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Final

from risk_policy.errors import PolicyError

#: Limits whose alerts are dealt with like others: the first part of their risk_id -> the file.
_SHARED: Final = {
    "volatility_expansion": "volatility_exit",
    "volatility_contraction": "volatility_exit",
    "inference_p95": "inference",
    "inference_p99": "inference",
    "disk_low": "disk",
    "disk_full": "disk",
    "certificate_expiring": "certificate",
    "certificate_ending": "certificate",
    "audit_broken": "audit_chain",
    "audit_truncated": "audit_chain",
    "audit_rewritten": "audit_chain",
    "stop_loss": "exits",
    "take_profit": "exits",
}
_PART: Final = re.compile(r"^## (\w+)\n\n(.*?)(?=\n## |\Z)", re.DOTALL | re.MULTILINE)
_QUERY: Final = re.compile(r"^```promql\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


class AdviceError(PolicyError):
    """Nobody has written down what to do, or a part of it is missing."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What people do about a family of alerts, in Markdown.

    Attributes:
        impact: what it costs, or may.
        diagnosis: what to ask, each with its PromQL in a block of its own.
        steps: what to do, in order.
        escalate: whom to call, and when.
    """

    impact: str
    diagnosis: str
    steps: str
    escalate: str

    @property
    def queries(self) -> tuple[str, ...]:
        """Every PromQL expression of the diagnosis."""
        return tuple(_QUERY.findall(self.diagnosis))


def family(limit: str) -> str:
    """The file that an alert's limit is written about in, without its ending."""
    return _SHARED.get(limit, limit)


@cache
def advice_on(limit: str) -> Advice:
    """What to do about the alerts of a limit. Raises AdviceError."""
    name = f"{family(limit)}.md"
    path = resources.files(__package__) / name
    if not path.is_file():
        raise AdviceError(f"there is no advice about {limit}: catalogue/advice/{name} is missing")
    found = {title.lower(): text.strip() for title, text in _PART.findall(path.read_text("utf-8"))}
    wanted = [field.name for field in fields(Advice)]
    if list(found) != wanted or not all(found.values()):
        raise AdviceError(f"{name} must have the parts {', '.join(wanted)}, in this order")
    return Advice(**found)

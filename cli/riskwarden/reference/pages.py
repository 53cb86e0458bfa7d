"""What generated pages have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from risk_policy import Policy

#: Stands at the top of every page.
NOTICE: Final = "<!-- DO NOT EDIT: written by `riskwarden generate` from the policy. -->"


def page(policy: Policy, blocks: Iterable[str]) -> str:
    """A whole page, with the policy that it is true of."""
    said = f"_From the policy with sha256 `{policy.digest}`._"
    return "\n\n".join((NOTICE, *blocks, said)) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells stay on one line, whatever they hold."""
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"

"""What is wrong with a request, in words for whoever sent it."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

_MOST_PROBLEMS: Final = 20


def problems_of(error: ValidationError) -> str:
    """Every problem with its place, and nothing of what was sent: it may hold a secret."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    problems = [
        f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg'].removeprefix('Value error, ')}"
        for e in details
    ]
    return "; ".join(problems[:_MOST_PROBLEMS])

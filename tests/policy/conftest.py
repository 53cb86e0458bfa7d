"""What the tests of the policy ask again and again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from risk_policy import InvalidPolicyError, Problem, parse_policy

Refused = Callable[..., tuple[Problem, ...]]


@pytest.fixture(scope="session")
def refused() -> Refused:
    """Every problem of a file that has some."""

    def ask(content: str | bytes, environ: dict[str, str] | None = None) -> tuple[Problem, ...]:
        data = content if isinstance(content, bytes) else content.encode()
        with pytest.raises(InvalidPolicyError) as caught:
            parse_policy(data, "desk.toml", environ or {})
        assert all(problem.message for problem in caught.value.problems)
        return caught.value.problems

    return ask

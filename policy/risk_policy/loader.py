"""From ``alerting.toml`` to a typed :class:`Policy`, or every problem at once.

Whatever the bytes are, what is raised is :class:`InvalidPolicyError`, and it shows values as
they are written: nothing that a variable holds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from risk_policy import source as source_file
from risk_policy.checks import relation_problems
from risk_policy.errors import InvalidPolicyError, Problem
from risk_policy.expansion import expand
from risk_policy.explain import did_you_mean, explain, show
from risk_policy.lines import Lines, dotted
from risk_policy.model.policy import Alerting, Policy
from risk_policy.values import Values

_HERE: Final = Path(__file__).parent
_ROOT: Final = "alerting"


def default_policy_path() -> Path:
    """The policy that comes with the project: inside the wheel, or beside it in a checkout."""
    packaged = _HERE / "alerting.toml"
    return packaged if packaged.exists() else _HERE.parent / "alerting.toml"


def load_policy(path: Path, environ: Mapping[str, str] | None = None) -> Policy:
    """Read and check a policy file.

    Raises:
        InvalidPolicyError: with every problem found.
    """
    return parse_policy(source_file.read_bytes(path), str(path), environ)


def written_keys(path: Path) -> dict[str, int]:
    """Every key that a policy file sets, with its line. Raises InvalidPolicyError."""
    return source_file.parse(source_file.read_bytes(path), str(path)).written()


def read_values(path: Path) -> Values:
    """What a policy file says key by key, though it be invalid elsewhere, and unexpanded.

    For whoever needs one key of it in an emergency. Raises InvalidPolicyError for what is not
    even TOML.
    """
    return Values(source_file.parse(source_file.read_bytes(path), str(path)).tree)


def parse_policy(
    data: bytes, source: str = "alerting.toml", environ: Mapping[str, str] | None = None
) -> Policy:
    """Check the content of a policy file. Raises InvalidPolicyError."""
    file = source_file.parse(data, source)
    problems = list(_foreign_tables(file.tree))
    tree = file.tree.get(_ROOT, {})
    if not isinstance(tree, dict):
        tree = {}
    expansion = expand(tree, Alerting, _ROOT, os.environ if environ is None else environ)
    problems += expansion.problems
    alerting: Alerting | None = None
    try:
        alerting = Alerting.model_validate(expansion.expanded)
    except ValidationError as error:
        problems += _news(
            problems,
            (
                explain(detail, _ROOT, Alerting, expansion.written)
                for detail in error.errors(include_url=False)
            ),
        )
    problems += _news(problems, relation_problems(Values({_ROOT: expansion.expanded})))
    if problems or alerting is None:
        raise InvalidPolicyError(source, _ordered(problems, file.lines))
    return Policy(
        alerting=alerting,
        digest=hashlib.sha256(data).hexdigest(),
        source=source,
        as_written={_ROOT: expansion.written},
    )


def _news(told: list[Problem], more: Iterable[Problem]) -> list[Problem]:
    """Problems of keys that nothing has been said about: each mistake is told once."""
    keys = {problem.key for problem in told}
    return [problem for problem in more if problem.key not in keys]


def _ordered(problems: list[Problem], lines: Lines) -> tuple[Problem, ...]:
    located = [
        Problem(problem.key, problem.value, problem.message, problem.line or lines.of(problem.key))
        for problem in problems
    ]
    ordered = sorted(located, key=lambda problem: (problem.line == 0, problem.line, problem.key))
    return tuple(dict.fromkeys(ordered))


def _foreign_tables(tree: Mapping[str, Any]) -> Iterator[Problem]:
    for name, value in tree.items():
        if name != _ROOT:
            message = "unknown table; everything stands under [alerting]"
            yield Problem(dotted((name,)), "", message + did_you_mean(name, [_ROOT]))
        elif not isinstance(value, dict):
            yield Problem(_ROOT, show(value), "must be a table: [alerting]")

"""From ``alerting.toml`` to a typed :class:`Policy`, or every problem at once.

Whatever the bytes are, what is raised is :class:`InvalidPolicyError`, and it shows values as
they are written: nothing that a variable holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from risk_policy import layers
from risk_policy import source as source_file
from risk_policy.checks import relation_problems
from risk_policy.errors import InvalidPolicyError, Problem
from risk_policy.expansion import expand
from risk_policy.explain import did_you_mean, explain, show
from risk_policy.layers import Layers, Place
from risk_policy.lines import dotted
from risk_policy.model.policy import Alerting, Policy
from risk_policy.values import Values

_HERE: Final = Path(__file__).parent
_ROOT: Final = "alerting"


def default_policy_path() -> Path:
    """The policy that comes with the project: inside the wheel, or beside it in a checkout."""
    packaged = _HERE / "alerting.toml"
    return packaged if packaged.exists() else _HERE.parent / "alerting.toml"


def load_policy(path: Path, environ: Mapping[str, str] | None = None) -> Policy:
    """Read and check a policy file, with what it extends.

    Raises:
        InvalidPolicyError: with every problem found.
    """
    return parse_policy(source_file.read_bytes(path), str(path), environ)


def written_keys(path: Path) -> dict[str, int]:
    """Every key that a policy file sets, with its line. Raises InvalidPolicyError."""
    return {key: place.line for key, place in written_places(path).items()}


def written_places(path: Path) -> dict[str, Place]:
    """Every key that a policy file or what it extends sets, with the file and line that count.

    Raises InvalidPolicyError.
    """
    return layers.read(path).written()


def read_values(path: Path) -> Values:
    """What a policy file says key by key, though it be invalid elsewhere, and unexpanded.

    For whoever needs one key of it in an emergency. Raises InvalidPolicyError for what is not
    even TOML.
    """
    return Values(layers.read(path).tree)


def parse_policy(
    data: bytes, source: str = "alerting.toml", environ: Mapping[str, str] | None = None
) -> Policy:
    """Check the content of a policy file, with what it extends. Raises InvalidPolicyError."""
    file = layers.parse(data, source)
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
        raise InvalidPolicyError(source, _ordered(problems, file))
    return Policy(
        alerting=alerting,
        digest=file.digest,
        source=source,
        written_in={key: place.file for key, place in file.written().items()},
        as_written={_ROOT: expansion.written},
    )


def _news(told: list[Problem], more: Iterable[Problem]) -> list[Problem]:
    """Problems of keys that nothing has been said about: each mistake is told once."""
    keys = {problem.key for problem in told}
    return [problem for problem in more if problem.key not in keys]


def _ordered(problems: list[Problem], file: Layers) -> tuple[Problem, ...]:
    names = ["", *(name for name, _ in reversed(file.files))]

    def place(problem: Problem) -> tuple[bool, int, int, str]:
        return problem.line == 0, names.index(problem.source), problem.line, problem.key

    ordered = sorted(map(file.located, problems), key=place)
    return tuple(dict.fromkeys(ordered))


def _foreign_tables(tree: Mapping[str, Any]) -> Iterator[Problem]:
    for name, value in tree.items():
        if name != _ROOT:
            message = "unknown table; everything stands under [alerting]"
            yield Problem(dotted((name,)), "", message + did_you_mean(name, [_ROOT]))
        elif not isinstance(value, dict):
            yield Problem(_ROOT, show(value), "must be a table: [alerting]")

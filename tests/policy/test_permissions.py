"""Permissions: every one is somebody's, and nobody is locked out by a typing error."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from risk_policy import Problem, default_policy_path, load_policy, parse_policy
from risk_policy.model.permissions import Permissions
from risk_policy.vocabulary import Permission, Role

Refused = Callable[..., tuple[Problem, ...]]
TABLE = "[alerting.permissions]\n"


def test_every_permission_is_a_key_of_the_table_and_the_other_way_round() -> None:
    assert list(Permissions.model_fields) == [permission.value for permission in Permission]


@pytest.mark.parametrize(
    ("written", "key", "told"),
    [
        ('read = ["risk_manger"]', "read.0", "did you mean risk_manager? known are admin, "),
        ('read = ["everybody"]', "read.0", "is no role; known are admin, risk_manager"),
        ('red = ["admin"]', "red", "unknown key; did you mean read?"),
        ('read = "admin"', "read", "must be a list"),
        ('read = ["admin", "admin"]', "read", "names admin more than once"),
        ("trip = []", "trip", "is empty: nobody could do it"),
        ("loosen = []", "loosen", "is empty: nobody could do it"),
        ("confirm = []", "confirm", "is empty: nobody could do it"),
        ('manage_tokens = ["risk_manager"]', "manage_tokens", "nobody could make the first token"),
        ('trip = ["risk_manager"]', "trip", 'must name "admin"'),
        ('trip = ["admin"]', "trip", "leaves out risk_manager, who may loosen"),
        ('read = ["admin", "auditor"]', "read", "leaves out risk_manager, who may loosen"),
        ('loosen = ["admin", "quant_analyst"]', "trip", "leaves out quant_analyst"),
    ],
)
def test_what_locks_somebody_out_is_refused_by_name(
    written: str, key: str, told: str, refused: Refused
) -> None:
    problems = refused(TABLE + written)
    assert f"alerting.permissions.{key}" in {problem.key for problem in problems}
    assert any(told in problem.message for problem in problems), problems


def test_tripping_is_easier_than_loosening_and_reading_is_for_everybody() -> None:
    permissions = parse_policy(b"", environ={}).alerting.permissions
    assert set(permissions.trip) > set(permissions.loosen)
    assert set(permissions.read) == set(Role)
    assert permissions.of([Role.QUANT_ANALYST]) == {Permission.READ}
    assert permissions.of([Role.AUDITOR]) == {Permission.READ, Permission.AUDIT_READ}
    assert permissions.of([Role.ADMIN]) == set(Permission)
    assert permissions.of([Role.AUDITOR, Role.TRADING_OPS]) > {Permission.TRIP}
    assert permissions.of([]) == frozenset()


def test_the_document_shows_the_table_that_is_shipped() -> None:
    document = (Path(__file__).parents[2] / "docs" / "access.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", document, re.DOTALL)
    shipped = load_policy(default_policy_path(), {}).alerting.permissions
    assert parse_policy(shown.encode(), environ={}).alerting.permissions == shipped == Permissions()
    assert re.findall(r"^\| `(\w+)` \|", document, re.MULTILINE) == [*Permission]


def test_a_token_lasts_no_longer_by_default_than_any_may(refused: Refused) -> None:
    (problem,) = refused("[alerting.auth]\ntoken_days = 400")
    assert problem.key == "alerting.auth.token_days"
    assert "at most most_token_days = 365" in problem.message

"""Every attack of the table is known by the layers that the table names, and by no other."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from tampering import story
from tampering.case import Case, Layer
from tampering.forger import Forger
from tampering.table import CASES, PAGE, page
from typer.testing import CliRunner

from risk_receivers.audit.chain import Head
from risk_receivers.audit.query import head
from riskwarden.app import application

_RECORD = re.compile(r"record (\d+): ")


@dataclass(frozen=True)
class Told:
    """What the verifier told."""

    exit_code: int
    layers: frozenset[Layer]
    at: tuple[int | None, ...]


def verify(database: Path, *arguments: str) -> Told:
    given = ["audit", "verify", "--json", "--database", str(database), *arguments]
    done = CliRunner().invoke(application(given), given)
    problems = json.loads(done.stdout)["problems"]
    named = [_RECORD.match(problem) for problem in problems]
    return Told(
        done.exit_code,
        frozenset(layer_of(problem) for problem in problems),
        tuple(int(found[1]) if found else None for found in named),
    )


def layer_of(problem: str) -> Layer:
    (layer,) = [layer for layer in Layer if re.search(layer.words, problem)]
    return layer


@pytest.fixture(scope="session")
def seen_elsewhere(told: Path) -> Head:
    """The head as a message told it before anybody tampered with anything."""
    return head(told / "audit.db")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_attack_is_known_by_the_layers_that_are_meant_for_it(
    case: Case, forger: Forger, seen_elsewhere: Head
) -> None:
    case.attack(forger)
    by_itself = verify(forger.database)
    with_a_head = verify(forger.database, "--head", str(seen_elsewhere))
    assert with_a_head.exit_code == 1
    if case.caught == (Layer.WITNESS,):
        assert (by_itself.exit_code, by_itself.layers) == (0, frozenset())
        assert with_a_head.at == case.at
    else:
        assert by_itself.exit_code == 1
        assert by_itself.layers == frozenset(case.caught)
        assert by_itself.at == case.at


def test_an_untouched_chain_is_not_blamed(forger: Forger, seen_elsewhere: Head) -> None:
    found = verify(forger.database, "--head", str(seen_elsewhere))
    assert (found.exit_code, found.layers) == (0, frozenset())


def test_a_chain_that_went_on_is_not_blamed(forger: Forger, seen_elsewhere: Head) -> None:
    story.go_on(forger.database, "spread of ETH-EUR is 35 bp")
    found = verify(forger.database, "--head", str(seen_elsewhere))
    assert (found.exit_code, found.layers) == (0, frozenset())


def test_no_two_cases_have_one_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_page_is_what_the_cases_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run python -m tampering.table in tests/support"
    )

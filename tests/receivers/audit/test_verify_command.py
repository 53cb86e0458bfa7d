"""`riskwarden audit verify`: what it can know of a chain's end, and what it says it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from risk_receivers.audit.chain import EMPTY, Head
from risk_receivers.audit.query import head
from risk_receivers.store.head_file import path_beside
from riskwarden.app import application

CUT = ("DELETE FROM audit_payload WHERE seq > 8", "DELETE FROM audit_header WHERE seq > 8")


def verify(database: Path, *arguments: str) -> Result:
    given = ["audit", "verify", "--database", str(database), *arguments]
    return CliRunner().invoke(application(given), given)


def test_an_intact_chain_is_told_with_the_head_to_keep(database: Path) -> None:
    done = verify(database)
    assert (done.exit_code, done.stderr.strip()) == (0, "")
    assert "intact, 12 events, not signed, head 12:" in done.stdout
    kept = done.stdout.split()[-1]
    assert kept == json.loads(verify(database, "--json").stdout)["head"]
    assert verify(database, "--head", kept).exit_code == 0
    assert verify(database, "--head", str(head(database))).exit_code == 0


def test_a_tail_that_went_with_its_noted_head_is_not_passed_over_in_silence(
    database: Path, tamper: Callable[..., None]
) -> None:
    kept = str(head(database))
    tamper(database, *CUT)
    assert verify(database).exit_code == 1
    path_beside(database).unlink()
    blind = verify(database)
    assert blind.exit_code == 0
    assert "no head was noted beside it" in blind.stderr
    assert "a cut-off end cannot be seen" in blind.stderr
    assert "intact with 1 warning, 8 events" in blind.stdout
    told = json.loads(verify(database, "--json").stdout)
    assert (told["intact"], told["warning_count"]) == (True, 1)
    assert "a cut-off end cannot be seen" in told["warnings"][0]

    seen = verify(database, "--head", kept)
    assert seen.exit_code == 1
    assert "its end was cut off" in seen.stderr
    told = json.loads(verify(database, "--json", "--head", kept).stdout)
    assert not told["intact"]
    assert "its end was cut off" in told["problems"][0]


def test_a_head_kept_from_before_covers_what_lies_before_it(database: Path) -> None:
    kept = str(head(database))
    path_beside(database).unlink()
    done = verify(database, "--head", kept)
    assert done.exit_code == 0
    assert "what was cut off behind record 12 cannot be seen" in done.stderr


def test_the_kept_head_and_the_noted_one_are_both_looked_for(
    database: Path, tamper: Callable[..., None]
) -> None:
    assert verify(database, "--head", f"3:{'ab' * 32}").exit_code == 1
    kept = str(head(database))
    tamper(database, *CUT)
    assert "8:" in verify(database, "--head", f"8:{'ab' * 32}").stderr.replace("\n", "")
    told = json.loads(verify(database, "--json", "--head", f"3:{'ab' * 32}").stdout)
    assert told["problem_count"] == 2
    assert json.loads(verify(database, "--json", "--head", kept).stdout)["problem_count"] == 1


@pytest.mark.parametrize("text", ["12", "12:abc", f"-1:{'0' * 64}", "ab" * 32, f"x:{'0' * 64}", ""])
def test_a_head_that_is_none_is_refused_by_name(database: Path, text: str) -> None:
    done = verify(database, "--head", text)
    assert done.exit_code == 2
    assert "SIZE:ROOT" in done.stderr
    assert "--head" in done.stderr


@pytest.mark.parametrize("name", ["gone.db", "d" * 300, "a\nb"])
def test_a_database_that_cannot_be_found_is_said_to_be_missing(tmp_path: Path, name: str) -> None:
    done = verify(tmp_path / name)
    assert done.exit_code == 2
    assert "no audit database" in done.stderr


@given(st.integers(0, 10**16 - 1), st.binary(min_size=32, max_size=32))
def test_a_head_is_read_back_as_it_is_printed(size: int, checksum: bytes) -> None:
    one = Head(size, checksum.hex())
    assert Head.parse(str(one)) == one
    assert Head.parse(f" {str(one).upper()}\n") == one
    assert Head.parse(str(EMPTY)) == EMPTY


@given(st.text(alphabet="0123456789abcdef:-_ ٣", max_size=90))
def test_what_is_no_head_is_said_to_be_none(text: str) -> None:
    try:
        assert str(Head.parse(text)).lstrip("0") == text.strip().lstrip("0")
    except ValueError as error:
        assert "SIZE:ROOT" in str(error)

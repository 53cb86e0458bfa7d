"""Tokens in memory: good until their time is over; what a look-up costs tells nothing."""

from __future__ import annotations

import hashlib
import logging
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from risk_policy.contracts.operator import GIVEN_TOKEN
from risk_policy.vocabulary import Role
from risk_receivers.auth import Identity, Key, Stranger, Tokens
from risk_receivers.discretion import DiscreetFormatter
from risk_receivers.tokens.book import Book, Unfit
from risk_receivers.tokens.given import GivenToken, digest_of, new_token

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now


def a_token(name: str = "ann", days: float = 1) -> tuple[GivenToken, bytes]:
    number, text = new_token()
    token = GivenToken(
        number, name, (Role.AUDITOR,), digest_of(text.encode()), START, "owner",
        START + timedelta(days=days),
    )  # fmt: skip
    return token, text.encode()


def test_a_token_is_recognisable_and_its_secret_256_random_bits() -> None:
    number, text = new_token()
    assert re.fullmatch(GIVEN_TOKEN, text)
    assert text.split("_")[1] == number
    assert len(bytes.fromhex(text.split("_")[2])) == 32
    assert len({new_token()[1] for _ in range(100)}) == 100
    assert digest_of(text.encode()) == hashlib.sha256(text.encode()).digest()


def test_a_token_is_good_until_its_time_is_over_and_not_a_moment_longer() -> None:
    clock = Clock()
    token, text = a_token()
    book = Book([token], clock)
    clock.now = token.expires_at - timedelta(microseconds=1)
    assert book.find(text) == token
    clock.now = token.expires_at
    found = book.find(text)
    assert isinstance(found, Unfit)
    assert found.why == "the token ann expired at 2026-01-02 00:00:00 UTC"
    assert book.standing("ann") is None


@given(st.binary(max_size=120) | st.from_regex(GIVEN_TOKEN, fullmatch=True).map(str.encode))
def test_nothing_but_a_token_is_one(guess: bytes) -> None:
    token, _ = a_token()
    assert Book([token], Clock()).find(guess) is None


@given(st.integers(0, 79), st.integers(1, 255))
def test_a_token_with_a_letter_changed_is_none(place: int, change: int) -> None:
    token, text = a_token()
    wrong = bytearray(text)
    wrong[place] ^= change
    assert Book([token], Clock()).find(bytes(wrong)) is None


@given(st.lists(st.sampled_from(["put", "revoke", "expire", "uses", "find"]), max_size=20))
def test_nothing_makes_a_token_good_again(steps: list[str]) -> None:
    clock = Clock()
    token, text = a_token()
    book, is_good = Book([token], clock), True
    revoked = GivenToken(**{**_fields(token), "revoked_at": START})
    for step in steps:
        match step:
            case "put":  # a commit that is told of late
                book.put(token)
            case "revoke":
                book.put(revoked)
            case "expire":
                clock.now = token.expires_at
            case "uses":
                book.take_uses()
        is_good = is_good and step not in ("revoke", "expire")
        assert isinstance(book.find(text), GivenToken) == is_good


def test_an_unknown_id_costs_the_same_work_as_a_wrong_secret() -> None:
    token, text = a_token()
    _, nobodys = a_token("nobody")
    wrong = text[:-1] + (b"0" if text[-1:] != b"0" else b"1")
    book = Book([token], Clock())
    done: list[str] = []

    def watch(_: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and called.__name__ in ("compare_digest", "openssl_sha256"):
            done.append(called.__name__)

    for brought in (text, wrong, nobodys, b"rw_", b""):
        done.clear()
        sys.setprofile(watch)
        try:
            book.find(brought)
        finally:
            sys.setprofile(None)
        assert done == ["openssl_sha256", "compare_digest"], brought


def test_the_owners_tokens_are_admins_and_machines_are_nobodys_role() -> None:
    tokens = Tokens({key: f"{key.value}-secret" for key in Key})
    for key in Key:
        found = tokens.identify(f"Bearer {key.value}-secret".encode())
        assert isinstance(found, Identity)
        owner = key in (Key.OPERATOR, Key.APPROVER)
        assert found.roles == ((Role.ADMIN,) if owner else ())
        assert found.actor("somebody") == "somebody"
    assert isinstance(tokens.identify(b"Basic operator_token-secret"), Stranger)
    assert isinstance(tokens.identify(b""), Stranger)


def test_a_thousand_tokens_are_looked_up_as_quickly_as_one() -> None:
    many = [a_token(f"n{number}") for number in range(1000)]
    tokens = Tokens({key: key.value for key in Key}, Book((one for one, _ in many), Clock()))
    header = b"Bearer " + many[500][1]
    rounds = []
    for _ in range(20):
        begun = time.perf_counter()
        for _ in range(100):
            assert isinstance(tokens.identify(header), Identity)
        rounds.append((time.perf_counter() - begun) / 100)
    assert min(rounds) < 100e-6, "a fraction of what an answer takes"


def test_no_line_of_the_log_shows_a_token_whoever_quotes_it() -> None:
    _, text = new_token()
    record = logging.LogRecord("a", logging.ERROR, "a", 1, "bad header: %s", (text,), None)
    line = DiscreetFormatter("%(message)s").format(record)
    assert line == f"bad header: {text[:15]}_***"


def _fields(token: GivenToken) -> dict[str, Any]:
    return {name: getattr(token, name) for name in GivenToken.__dataclass_fields__}

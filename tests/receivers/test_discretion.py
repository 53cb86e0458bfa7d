"""What is said about secrets: nothing, in whatever spelling; everything else is left as it is."""

from __future__ import annotations

import logging

from echoing_servers import SPELLINGS
from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.discretion import DiscreetFormatter, Discretion

SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=6, max_size=40)


@given(SECRETS, st.sampled_from(SPELLINGS), st.text(max_size=10))
def test_a_secret_is_left_out_however_it_is_spelt(
    secret: str, spell: type[str], around: str
) -> None:
    said = Discretion([secret]).applied(f"{around}{spell(secret)}{around}")
    assert spell(secret) not in said
    assert secret not in said


@given(st.text(st.characters(categories=("Ll", "Zs")), max_size=80))
def test_what_is_no_secret_is_said_as_it_is(text: str) -> None:
    secrets = ["A1B2C3D4E5F6", "https://hooks.example.com/T0/9Z8Y7X6W5V4U", ""]
    assert Discretion(secrets).applied(text) == text
    assert Discretion([]).applied(text) == text


def test_what_is_printed_of_an_exception_holds_no_secret() -> None:
    formatter = DiscreetFormatter("%(message)s")
    formatter.keep(["https://example.com/hook/s3cr3t-t0ken?key=an%2Fother1"])
    error = ValueError("no route to /hook/s3cr3t-t0ken with an/other1")
    record = logging.makeLogRecord({"msg": "it failed", "exc_info": (ValueError, error, None)})
    said = formatter.format(record)
    assert said.startswith("it failed\nValueError: no route to ")
    assert "s3cr3t" not in said
    assert "other1" not in said


def test_of_a_mail_address_as_much_is_said_as_tells_one_from_another() -> None:
    formatter = DiscreetFormatter("%(message)s")
    formatter.keep([], ["Olga Meier <olga@example.com>", "olga@example.com", "cro@münze.example"])
    msg = "Olga Meier <olga@example.com>: 550 no OLGA@example.com; cro@münze.example: 451"
    said = formatter.format(logging.makeLogRecord({"msg": msg}))
    assert said == "o***@example.com: 550 no o***@example.com; c***@münze.example: 451"


def test_what_is_no_whole_address_leaves_the_log_as_it_is() -> None:
    formatter = DiscreetFormatter("%(message)s")
    formatter.keep([], ["", "@", "desk", "@example.com"])
    msg = "the desk says hello to x@example.com"
    assert formatter.format(logging.makeLogRecord({"msg": msg})) == msg

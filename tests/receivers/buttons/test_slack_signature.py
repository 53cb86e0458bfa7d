"""What counts as signed by Slack: its own published example, and nothing next to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.buttons.slack_signature import Signatures

# From https://docs.slack.dev/authentication/verifying-requests-from-slack
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
TIMESTAMP = b"1531420618"
BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SIGNATURE = b"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
NOW = 1531420618.0


@pytest.fixture
def signatures() -> Signatures:
    return Signatures(SECRET)


@pytest.mark.parametrize("late", [-300, -1, 0, 300])
def test_slacks_own_example_is_genuine(signatures: Signatures, late: float) -> None:
    assert signatures.complaint(TIMESTAMP, SIGNATURE, NOW + late) == ""
    assert signatures.is_genuine(TIMESTAMP, SIGNATURE, BODY)


@pytest.mark.parametrize("late", [-301, 300.5, 10**9])
def test_a_request_of_another_time_is_not_read(signatures: Signatures, late: float) -> None:
    assert signatures.complaint(TIMESTAMP, SIGNATURE, NOW + late) == "a signature of another time"


@pytest.mark.parametrize(
    ("timestamp", "signature"),
    [
        (b"", b""),
        (TIMESTAMP, b""),
        (b"", SIGNATURE),
        (TIMESTAMP, SIGNATURE[3:]),
        (TIMESTAMP, SIGNATURE.upper()),
        (TIMESTAMP, b"v1" + SIGNATURE[2:]),
        (TIMESTAMP + b"\n", SIGNATURE),
        (b"-1", SIGNATURE),
        (b"1e9", SIGNATURE),
        (b"nan", SIGNATURE),
        (b"9" * 5000, SIGNATURE),
        ("١٥٣١٤٢٠٦١٨".encode(), SIGNATURE),
    ],
)
def test_what_looks_like_no_signature_is_not_read(
    signatures: Signatures, timestamp: bytes, signature: bytes
) -> None:
    assert signatures.complaint(timestamp, signature, NOW) == "no signature of Slack's"


@given(st.binary(max_size=200), st.integers(0, 10**12 - 1), st.text(max_size=40))
def test_nothing_but_the_whole_of_it_is_genuine(body: bytes, at: int, secret: str) -> None:
    timestamp = str(at).encode()
    same = (body, timestamp, secret) == (BODY, TIMESTAMP, SECRET)
    assert Signatures(secret).is_genuine(timestamp, SIGNATURE, body) == same
    assert not Signatures(SECRET).is_genuine(TIMESTAMP, SIGNATURE, BODY + b"&")
    assert not Signatures(SECRET).is_genuine(b"1531420619", SIGNATURE, BODY)


def test_a_request_that_is_sent_again_is_none(signatures: Signatures) -> None:
    assert signatures.is_first(SIGNATURE)
    assert not signatures.is_first(SIGNATURE)
    assert signatures.is_first(b"v0=" + b"0" * 64)

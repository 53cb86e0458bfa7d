"""What says who sends a request, and from which page."""

from __future__ import annotations

import pytest

from risk_receivers.sessions.credentials import Cookie, Credentials

DESK = "https://desk.example.com"


@pytest.mark.parametrize(
    ("origin", "fetch_site", "ours"),
    [
        ("", "", True),  # no browser
        ("", "same-origin", True),
        ("", "none", True),  # typed by somebody
        ("http://127.0.0.1:9465", "same-origin", True),
        ("https://127.0.0.1:9465", "", True),  # TLS ended at a proxy
        ("http://127.0.0.1:9466", "same-site", False),
        ("http://127.0.0.1:9466", "", False),
        ("http://127.0.0.1", "", False),
        ("https://evil.example", "cross-site", False),
        ("https://evil.example", "", False),
        ("null", "", False),
        ("null", "cross-site", False),
        ("", "cross-site", False),
        ("", "same-site", False),
        (DESK, "cross-site", True),
        (DESK + ".evil.example", "cross-site", False),
        ("http://desk.example.com", "cross-site", False),
    ],
)
def test_a_page_is_ours_or_named_or_it_is_refused(origin: str, fetch_site: str, ours: bool) -> None:
    headers = [(b"host", b"127.0.0.1:9465")]
    headers += [(b"origin", origin.encode())] if origin else []
    headers += [(b"sec-fetch-site", fetch_site.encode())] if fetch_site else []
    assert Credentials.of(headers).comes_from([DESK]) is ours


def test_the_first_of_several_headers_counts() -> None:
    found = Credentials.of([(b"authorization", b"Bearer one"), (b"authorization", b"Bearer two")])
    assert found.authorization == b"Bearer one"


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (b"riskwarden=abc", b"abc"),
        (b"a=b; riskwarden=abc; c=d", b"abc"),
        (b"riskwarden=abc;riskwarden=abc", b"abc"),
        (b"riskwarden=abc; riskwarden=evil", b""),  # one was planted
        (b"xriskwarden=abc", b""),
        (b"__Host-riskwarden=abc", b""),
        (b"riskwarden", b""),
        (b"", b""),
    ],
)
def test_a_cookie_is_found_among_others(header: bytes, token: bytes) -> None:
    assert Cookie().token_in(header) == token


def test_under_tls_a_cookie_is_bound_to_the_host() -> None:
    name, value = Cookie(is_secure=True).given("abc", 3600)
    assert (name, value) == (
        b"set-cookie",
        b"__Host-riskwarden=abc; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=3600",
    )
    assert Cookie(is_secure=True).token_in(b"riskwarden=planted") == b""
    plain = Cookie().given("abc", 3600)[1]
    assert plain == b"riskwarden=abc; Path=/; HttpOnly; SameSite=Strict; Max-Age=3600"
    assert b"Max-Age=0" in Cookie().taken()[1]

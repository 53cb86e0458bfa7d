"""The receivers' URL, as exporter and runtime are given it."""

from __future__ import annotations

import http.client

import pytest

from risk_policy.contracts.receivers import ReceiversUrl, ReceiversUrlError


@pytest.mark.parametrize("url", ["127.0.0.1:9465", "ftp://host", "http://", "http://h:x", ""])
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ReceiversUrlError, match="write http://host:port"):
        ReceiversUrl.parse(url)


def test_scheme_port_and_prefix_are_those_of_the_url() -> None:
    plain = ReceiversUrl.parse("http://127.0.0.1:9465/")
    assert (plain.host, plain.port, plain.prefix) == ("127.0.0.1", 9465, "")
    behind_a_proxy = ReceiversUrl.parse("https://risk.example.com/receivers/")
    assert behind_a_proxy.prefix == "/receivers"
    connection = behind_a_proxy.connection(1.0)
    assert isinstance(connection, http.client.HTTPSConnection)
    assert (connection.port, connection.timeout) == (443, 1.0)

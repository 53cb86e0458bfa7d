"""Whose word is taken for who a server is."""

from __future__ import annotations

import ssl

from risk_receivers.trust import verify


def test_over_tls_the_usual_authorities_are_trusted() -> None:
    assert verify("https://prometheus.example") is True
    assert verify("HTTPS://prometheus.example") is True


def test_over_plain_http_no_authority_is_read_and_none_would_be_trusted() -> None:
    context = verify("http://127.0.0.1:9090")
    assert isinstance(context, ssl.SSLContext)
    assert context.cert_store_stats()["x509_ca"] == 0, "each client's own megabyte"
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname

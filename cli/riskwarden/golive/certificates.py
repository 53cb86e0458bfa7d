"""What is shown to people over TLS, as a browser on this machine would see it."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

from cryptography.x509 import load_der_x509_certificate

from riskwarden.golive.ground import Ground
from riskwarden.golive.protection import Certificate

_PATIENCE_SECONDS: Final = 5.0
_HTTPS: Final = 443


def shown(ground: Ground) -> Certificate | None:
    """At the address that people use; None if there is none that is known."""
    board, url = ground.policy.alerting.dashboard, ground.policy.alerting.golive.console_url
    if url:
        named = urlsplit(url)
        return certificate(named.hostname or "", named.port or _HTTPS, is_named=True)
    if board.tls.is_served:
        return certificate(_reachable(board.host), board.port, is_named=False)
    return None


def certificate(host: str, port: int, *, is_named: bool) -> Certificate:
    """What is shown there. ``is_named``: whether people come by this very name."""
    where = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    trusting = ssl.create_default_context()
    trusting.check_hostname = is_named
    distrust = ""
    try:
        data = _shown(host, port, trusting)
    except ssl.SSLCertVerificationError as error:
        distrust = error.verify_message or str(error)
        # Only to read until when it is good; nothing is sent, and the line fails all the same.
        blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        blind.check_hostname = False
        blind.verify_mode = ssl.CERT_NONE
        try:
            data = _shown(host, port, blind)
        except OSError as again:
            return Certificate(where, None, str(again))
    except OSError as error:
        return Certificate(where, None, str(error))
    return Certificate(where, load_der_x509_certificate(data).not_valid_after_utc, "", distrust)


def _shown(host: str, port: int, context: ssl.SSLContext) -> bytes:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection((host, port), _PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        found = secured.getpeercert(binary_form=True)
    if found is None:
        raise ssl.SSLError("no certificate was shown")
    return found


def _reachable(host: str) -> str:
    """Where what listens at every address can be had on this machine."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return str(address)

"""Addresses of mail as SMTP wants them."""

from __future__ import annotations

from email.utils import parseaddr


def envelope(address: str) -> str:
    """An address as SMTP wants it: without a name, its domain in ASCII."""
    local, _, domain = parseaddr(address)[1].rpartition("@")
    return f"{local}@{_ascii(domain)}"


def domain_of(address: str) -> str:
    """The domain of an address, in ASCII."""
    return envelope(address).rpartition("@")[2]


def _ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:  # no name of the Internet; the mail server knows what to make of it
        return domain

"""Whose word is taken for who a server is.

OpenSSL takes a megabyte for the authorities that everybody trusts, and a client of httpx reads them
though it never asks for anything but plain HTTP.
"""

from __future__ import annotations

import ssl
from typing import Final

_NOBODYS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def verify(url: str) -> ssl.SSLContext | bool:
    """What httpx is to check certificates with; where none is shown, none would be good."""
    return True if url.lower().startswith("https:") else _NOBODYS

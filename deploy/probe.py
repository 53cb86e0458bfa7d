"""Whether a part is ready, asked from within its container: ``probe.py URL`` or ``… SOCKET``.

It imports nothing but the standard library, for it runs every few seconds. Exit status: 0 if the
part is ready, 1 if not, with the reason on standard error.
"""

from __future__ import annotations

import socket
import struct
import sys
import urllib.request
from collections.abc import Sequence

_SECONDS = 3.0
#: A question of the signer's, and the beginning of its answer.
_HELLO = b'{"type":"hello"}'
_STANDING = b'{"type":"standing"'
_LENGTH = struct.Struct(">I")


def main(arguments: Sequence[str]) -> int:
    """Ask; the exit status."""
    if len(arguments) != 1:
        print("usage: probe.py http://127.0.0.1:PORT/PATH | /path/of/signer.sock", file=sys.stderr)
        return 2
    (what,) = arguments
    try:
        _ask_signer(what) if what.startswith("/") else _ask_server(what)
    except OSError as error:  # an answer that is no 2xx, too
        print(f"{what}: {error}", file=sys.stderr)
        return 1
    return 0


def _ask_server(url: str) -> None:
    if not url.startswith("http://127.0.0.1:"):
        raise OSError("is not of this container")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_SECONDS):
        pass


def _ask_signer(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(path)
        connection.sendall(_LENGTH.pack(len(_HELLO)) + _HELLO)
        answer = connection.recv(_LENGTH.size + len(_STANDING), socket.MSG_WAITALL)
    if answer[_LENGTH.size :] != _STANDING:
        raise OSError("does not answer as riskwarden-signer does")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

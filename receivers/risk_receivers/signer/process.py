"""``riskwarden-signer --key FILE --socket PATH [--name LOG]``: signs, and does nothing else.

Run it under a user of its own: then nobody who gets hold of the receivers, or of their database,
has the key, or can make it sign a chain that contradicts what it has signed. It holds no other
secret, opens no network and believes nothing it is told but the hashes of new records.

Exit status: 0 after a stop that was asked for, 2 when it cannot start.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import socketserver
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from risk_receivers.audit.merkle import HASH_BYTES
from risk_receivers.audit.note import NoteError, check_name
from risk_receivers.signer import wire
from risk_receivers.signer.errors import InconsistentHeadError, SignerError
from risk_receivers.signer.signer import KeptSigner

#: For a question to arrive as a whole.
_SECONDS: Final = 10.0
#: Its user and group alone; the receivers' user has to be in the group.
_SOCKET_MODE: Final = 0o660
_log = logging.getLogger("riskwarden-signer")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit status."""
    options = _options(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        check_name(options.name)
        signer = KeptSigner(options.key, options.name)
    except (NoteError, SignerError) as error:
        return _refuse(str(error))
    try:
        server = _listen(options.socket, signer)
    except OSError as error:
        signer.close()
        return _refuse(f"{options.socket}: {error}")

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGTERM, stop)
        _log.info("signing as %s at %s", signer.key, options.socket)
        server.serve_forever()
    except KeyboardInterrupt:
        _log.info("stopped; signed up to %d", signer.latest().size)
    finally:
        server.server_close()
        options.socket.unlink(missing_ok=True)
        signer.close()
    return 0


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False  # whoever asks slowly does not hold up the end

    def __init__(self, path: Path, signer: KeptSigner) -> None:
        self.signer = signer
        super().__init__(str(path), _Handler)


class _Handler(socketserver.BaseRequestHandler):
    """One question, one answer."""

    server: _Server
    request: socket.socket

    def handle(self) -> None:
        """Answer it; whoever asks nonsense, or too slowly, is not answered."""
        try:
            asked = wire.question(wire.receive(self.request, time.monotonic() + _SECONDS))
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("somebody asked nothing that could be answered: %s", error)
            return
        told: wire.Answer
        try:
            told = _answer(self.server.signer, asked)
        except SignerError as error:
            if not error.temporary:
                _log.error("%s", error)
            told = wire.refusal(error)
        try:
            self.request.settimeout(_SECONDS)
            wire.send(self.request, told)
        except OSError as error:  # what was signed can be asked for again
            _log.warning("the answer could not be delivered: %s", error)


def _answer(signer: KeptSigner, asked: wire.Question) -> wire.Standing:
    match asked:
        case wire.Prepare():
            _log.info("the next key is %s", signer.prepare())
        case wire.Begin(size, frontier, last, rotate):
            signer.begin(size, _hashes(frontier), last, rotate=rotate)
        case wire.Sign(old_size, leaves, root, rotate):
            signer.sign(old_size, _hashes(leaves), root, rotate=rotate)
    state = signer.latest()
    return wire.Standing(
        str(signer.key),
        str(signer.next or ""),
        state.size,
        b"".join(state.frontier),
        state.note,
    )


def _hashes(data: bytes) -> list[bytes]:
    if len(data) % HASH_BYTES:
        raise InconsistentHeadError(f"hashes have {HASH_BYTES} bytes each")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def _listen(path: Path, signer: KeptSigner) -> _Server:
    """Raises OSError. What a signer that was killed has left behind is cleared away."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
        except ConnectionRefusedError:
            if not path.is_socket():  # a key, say: whatever it is, it is not ours to take away
                raise FileExistsError("there is a file there that is no socket") from None
            path.unlink()
        else:
            raise FileExistsError("another signer listens there")
    before = os.umask(0o777 & ~_SOCKET_MODE)
    try:
        return _Server(path, signer)
    finally:
        os.umask(before)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="riskwarden-signer",
        description="Signs how far the audit chain goes, and refuses what contradicts what it has "
        "signed. Run it under a user of its own, with the receivers' user in its group; see "
        "docs/audit_chain.md.",
    )
    parser.add_argument(
        "--key",
        type=Path,
        required=True,
        help="the key file; made at the first start, with its public half and what was signed "
        "last beside it",
    )
    parser.add_argument(
        "--socket",
        type=Path,
        default=Path("/run/riskwarden/signer.sock"),
        help="where the receivers find it (alerting.audit.signing.socket_path); default: "
        "%(default)s",
    )
    parser.add_argument(
        "--name",
        default="riskwarden/audit",
        help="what the chain is called, for a key that is made; default: %(default)s",
    )
    return parser.parse_args(arguments)


def _refuse(message: str) -> int:
    print(f"riskwarden-signer: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())

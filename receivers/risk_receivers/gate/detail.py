"""Write ``gate.json`` even where nothing can be written any more.

Spares of it lie ready, each with its space. Writing one is: overwrite it in place, cut it to
length, rename it over ``gate.json``; none of that needs room on the disk. There are as many as a
kill can need from the first trip to the tightest mode.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Final

from risk_policy.contracts import gate as contract
from risk_policy.vocabulary import KillMode
from risk_receivers.gate.lease_file import FILE_MODE
from risk_receivers.store import reserve

_SPARES: Final = len(KillMode)
#: The longest reason an operator may give fits in several times.
_SPARE_BYTES: Final = 16_384
_log = logging.getLogger(__name__)


class DetailFile:
    """The one writer of a folder's ``gate.json``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._encoded: tuple[contract.GateDetail, bytes] | None = None  # the latest
        self._spares = [
            folder / f".{contract.DETAIL_FILE}.spare-{number}" for number in range(_SPARES)
        ]

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it makes."""
        return (self._folder / contract.DETAIL_FILE, *self._spares)

    def prepare(self) -> None:
        """Have every spare. A disk that is too full for that is no reason not to go on."""
        for spare in self._spares:
            try:
                reserve.ensure(spare, _SPARE_BYTES)
                spare.chmod(FILE_MODE)
            except OSError as error:
                _log.warning("no space can be kept for gate.json: %s", error)

    def holds(self, detail: contract.GateDetail) -> bool:
        """Whether a reader that comes now finds exactly this."""
        try:
            return contract.detail_bytes(self._folder) == self._bytes_of(detail)
        except OSError:
            return False

    def _bytes_of(self, detail: contract.GateDetail) -> bytes:
        """Its bytes, which are asked for again and again as long as it is the same."""
        known = self._encoded
        if known is None or known[0] is not detail:
            self._encoded = known = detail, contract.encode_detail(detail)
        return known[1]

    def write(self, detail: contract.GateDetail) -> None:
        """Replace ``gate.json`` atomically and durably. Raises OSError."""
        data = self._bytes_of(detail)
        if not any(self._written(spare, data) for spare in self._spares):
            contract.write_detail(self._folder, detail)
            (self._folder / contract.DETAIL_FILE).chmod(FILE_MODE)
        reserve.sync_folder(self._folder)
        self.prepare()

    def _written(self, spare: Path, data: bytes) -> bool:
        if len(data) > _SPARE_BYTES:
            return False
        try:
            if spare.stat().st_size != _SPARE_BYTES:
                return False
            with contextlib.closing(reserve.Reserved(spare)) as file:
                file.write(0, data)
            with spare.open("r+b") as stream:
                stream.truncate(len(data))
                os.fsync(stream.fileno())
            spare.replace(self._folder / contract.DETAIL_FILE)
        except OSError as error:
            _log.warning("%s cannot be used: %s", spare, error)
            return False
        return True

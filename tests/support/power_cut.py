"""What a disk may hold after the power went at any moment of a writer's work.

A trace of the work tells every write, sync and truncation in order. Until a file is synchronised,
each write to it may have reached the disk or not, whole or as some of its sectors, and in any
order; after that all of them have. Where synchronising fails, the kernel takes for written what was
not: that stays in doubt, whatever is synchronised later, until it is written once more. Names of
files are taken to last from when they are given.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

_SECTOR: Final = 512
_LINE: Final = re.compile(r"(\d+) +(<\.\.\. )?(\w+)(?: resumed>)?\(?(.*)")
_HEX: Final = re.compile(r"\\x([0-9a-f]{2})")
_FILE: Final = re.compile(r'\d+<((?:\\x..)+)>|"((?:\\x..)+)"')
#: What is shared by memory alone; it is made anew after a crash.
_VOLATILE: Final = "-shm"


@dataclass(frozen=True)
class Call:
    """One call of the trace: what it did to which file.

    Attributes:
        file: the name within the folder of the trace; of what was told to somebody, the text.
    """

    name: str
    file: str
    data: bytes = b""
    offset: int = 0


def calls_of(trace: Path) -> list[Call]:
    """What was done, in order, as ``strace -f -y -xx`` noted it."""
    begun: dict[str, str] = {}
    found = []
    for line in trace.read_text().splitlines():
        if not (parts := _LINE.fullmatch(line)):
            continue
        thread, is_resumed, name, rest = parts[1], parts[2], parts[3], parts[4]
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest.removesuffix("<unfinished ...>")
            continue
        if is_resumed:
            rest = begun.pop(thread) + rest
        if (call := _call(name, rest, trace.parent)) is not None:
            found.append(call)
    return found


def _call(name: str, rest: str, folder: Path) -> Call | None:
    """None for what was done elsewhere, such as what is logged."""
    if name == "writev":
        told = re.search(r'iov_base="((?:\\x..)+)"', rest)
        assert told
        return Call("told", _bytes(told[1]).decode().strip())
    file = _FILE.match(rest)
    assert file, f"a call on no file: {name}({rest[:100]}"
    path = Path(_bytes(file[1] or file[2]).decode())
    if path.is_absolute() and not path.is_relative_to(folder.resolve()):
        return None
    where = str(path.relative_to(folder.resolve()) if path.is_absolute() else path)
    arguments = rest[file.end() :]
    if name == "pwrite64":
        written = re.match(r', "((?:\\x..)*)", \d+, (\d+)\)', arguments)
        assert written, arguments[:100]
        return Call("write", where, _bytes(written[1]), int(written[2]))
    if name == "ftruncate":
        size = re.match(r", (\d+)\)", arguments)
        assert size
        return Call("truncate", where, offset=int(size[1]))
    if name in {"fdatasync", "fsync"}:
        return Call("sync" if arguments.strip().endswith("= 0") else "failed sync", where)
    return Call(name, where)


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(_HEX.sub(r"\1", escaped))


@dataclass
class _Done:
    """A write or truncation, and whether it is on the disk.

    Attributes:
        is_sure: it is.
        is_forgotten: it may never come to be, since nobody holds it for missing.
    """

    call: Call
    is_sure: bool = False
    is_forgotten: bool = False


@dataclass
class Disk:
    """Files as they surely are, and what may have come on top of that."""

    files: dict[str, bytes] = field(default_factory=dict)
    pending: dict[str, list[_Done]] = field(default_factory=dict)
    told: list[int] = field(default_factory=list)

    def do(self, call: Call) -> None:
        """Go on by one call."""
        if call.file.endswith(_VOLATILE):
            return
        match call.name:
            case "told":
                self.told.append(int(call.file))
            case "write" | "truncate":
                self.files.setdefault(call.file, b"")
                self.pending.setdefault(call.file, []).append(_Done(call))
            case "sync":
                self._synchronise(call.file)
            case "failed sync":
                for done in self.pending.get(call.file, ()):
                    done.is_forgotten = not done.is_sure
            case "unlink":
                self.files.pop(call.file, None)
                self.pending.pop(call.file, None)
            case other:
                raise AssertionError(f"{other} is not thought of here")

    def possible(self, chance: random.Random) -> Iterator[dict[str, bytes]]:
        """Some of the states in which the power may leave the files."""
        yield self._with(lambda _: [])
        yield self._with(lambda call: [call])
        if any(self.pending.values()):
            yield self._with(lambda call: [call] if chance.random() < 0.5 else [])
            yield self._with(lambda call: [s for s in _sectors(call) if chance.random() < 0.5])

    def _synchronise(self, file: str) -> None:
        waiting = self.pending.get(file, [])
        for done in waiting:
            done.is_sure = not done.is_forgotten
        if not any(done.is_forgotten for done in waiting):
            for done in self.pending.pop(file, ()):
                self.files[file] = _after(self.files[file], done.call)

    def _with(self, reached: Callable[[Call], list[Call]]) -> dict[str, bytes]:
        files = dict(self.files)
        for name, calls in self.pending.items():
            for done in calls:
                for call in [done.call] if done.is_sure else reached(done.call):
                    files[name] = _after(files[name], call)
        return files


def _after(data: bytes, call: Call) -> bytes:
    if call.name == "truncate":
        return data[: call.offset].ljust(call.offset, b"\0")
    end = call.offset + len(call.data)
    return data[: call.offset].ljust(call.offset, b"\0") + call.data + data[end:]


def _sectors(call: Call) -> list[Call]:
    """A write as the disk's own units, each of which is written whole."""
    if call.name != "write":
        return [call]
    begin, end = call.offset, call.offset + len(call.data)
    cuts = [begin, *range(begin - begin % _SECTOR + _SECTOR, end, _SECTOR), end]
    return [
        Call("write", call.file, call.data[one - begin : other - begin], one)
        for one, other in pairwise(cuts)
    ]

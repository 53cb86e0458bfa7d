"""A signer that is killed, or refused a system call, at a chosen moment of its work.

Run as a program, it reads tries, ``FOLDER CALL NUMBER ENDING`` a line, and answers each with one of
JSON: what was told before the end, and how often each call was made if nothing was done to it.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from traced_child import ENDINGS, traced

from risk_receivers.audit.chain import leaf_hash
from risk_receivers.audit.merkle import Tree
from risk_receivers.signer.errors import SignerError
from risk_receivers.signer.signer import KeptSigner

NAME: Final = "riskwarden/test"
CALLS: Final = ("write", "fsync", "link", "unlink", "rename")
_STEPS: Final = 2


def tree_of(size: int) -> Tree:
    """The only chain there is."""
    tree = Tree()
    tree.extend(leaves(0, size))
    return tree


def leaves(begin: int, end: int) -> list[bytes]:
    """Some of its leaves."""
    return [leaf_hash(str(number).encode()) for number in range(begin, end)]


def labour(key: Path, told: Callable[[int, bytes], None]) -> None:
    """Sign on, have the next key take over, and sign on. Raises SignerError."""
    signer = KeptSigner(key, NAME)
    try:
        if not signer.latest().note:
            told(1, signer.begin(1, tree_of(1).frontier, b""))
        for turn in (False, True, False):
            if turn:
                signer.prepare()
            for _ in range(_STEPS):
                size = signer.latest().size
                note = signer.sign(
                    size, leaves(size, size + 1), tree_of(size + 1).root, rotate=turn
                )
                told(size + 1, note)
                turn = False
    finally:
        signer.close()


def attempt(folder: Path, call: str, number: int, ending: str) -> dict[str, object]:
    """One try."""
    folder.mkdir()
    options = [f"--trace={','.join(CALLS)}"]
    if ending in ENDINGS:
        options.append(f"--inject={call}:{ENDINGS[ending]}:when={number}")
    log = folder / "strace"

    def work(tell: Callable[[bytes], None]) -> int:
        with suppress(SignerError):
            labour(
                folder / "key",
                lambda size, note: tell(json.dumps([size, note.decode()]).encode()),
            )
        return 0

    ended = traced(log, options, work)
    calls = Counter(re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE))
    log.unlink()
    return {"told": [json.loads(line) for line in ended.told], "calls": calls}


def main() -> None:
    """Answer each try."""
    for line in sys.stdin:
        folder, call, number, ending = line.split()
        print(json.dumps(attempt(Path(folder), call, int(number), ending)), flush=True)


if __name__ == "__main__":
    main()

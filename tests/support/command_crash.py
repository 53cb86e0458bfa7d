"""A command that is killed at a chosen system call of its main thread.

Run as a program, it reads tries, one JSON object a line, and answers each with how often every call
was made: by the log of ``strace``, up to the end.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from traced_child import traced
from typer.testing import CliRunner

from riskwarden.app import application

#: What gives files their names, and what a server is told by.
CALLS: Final = ("rename", "link", "unlink", "sendto")


def attempt(
    arguments: list[str], environ: dict[str, str], log: Path, call: str, number: int
) -> dict[str, int]:
    """Run it, up to that call; all of it if there is none."""
    options = [f"--trace={','.join(CALLS)}"]
    options += [f"--inject={call}:signal=SIGKILL:when={number}"] if call else []

    def work(_: Callable[[bytes], None]) -> int:
        os.environ.update(environ)
        return CliRunner().invoke(application(arguments), arguments).exit_code

    ended = traced(log, options, work)
    # How many packets a server is sent depends on how fast it answers: there may be one fewer.
    if ended.status and not (call and ended.was_killed):
        raise RuntimeError(f"{arguments} ended with {ended.status}")
    return Counter(re.findall(rf"^{ended.child} +(\w+)\(", log.read_text(), re.MULTILINE))


def main() -> None:
    """Answer each try."""
    for line in sys.stdin:
        one = json.loads(line)
        one["log"] = Path(one["log"])
        print(json.dumps(attempt(**one)), flush=True)


if __name__ == "__main__":
    main()

"""A log that nobody reads holds nobody up."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TextIO

import httpx
import pytest
from free_ports import free_port

from risk_receivers.log import PatientHandler

SMALLEST_PIPE = 4096


@pytest.fixture
def pipe() -> Iterator[tuple[TextIO, TextIO]]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
    reader, writer = os.fdopen(reading), os.fdopen(writing, "w")
    yield reader, writer
    reader.close()  # first: whoever still writes is let go by that
    with suppress(BrokenPipeError):
        writer.close()


def test_a_kill_is_taken_although_nobody_reads_the_log(
    stopped: Any, words: Any, pipe: tuple[TextIO, TextIO], wait_until: Callable[..., Any]
) -> None:
    command = (sys.executable, "-m", "risk_receivers", "--policy", stopped.policy)
    stopped.port = free_port()
    stopped.process = subprocess.Popen(
        [*command, "--data", stopped.data, "--listen", f"127.0.0.1:{stopped.port}"],
        stdout=pipe[1],
        stderr=pipe[1],
        env=stopped.environ,
    )

    def ready() -> bool:
        try:
            return bool(stopped.client.get(f"{stopped.url}/readyz").status_code == 200)
        except httpx.TransportError:
            return False

    wait_until(ready, 30)
    head = stopped.database.with_name("audit.db.head")
    head.rename(head.with_name("taken away"))
    for _ in range(2 * SMALLEST_PIPE // 100):  # each is a line of more than a hundred characters
        assert stopped.send("alerts", [words.alert()]).status_code == 503
    assert stopped.operator_kill("immediate").status_code == 503
    assert stopped.gate_says_halt()


def test_what_finds_no_room_is_left_out_and_counted(pipe: tuple[TextIO, TextIO]) -> None:
    reader, writer = pipe
    log = logging.Logger("of this test")
    handler = PatientHandler(writer)
    log.addHandler(handler)
    for number in range(10_000):
        log.warning("line %d", number)
    told: list[str] = []
    left_out = 0
    while len(told) + left_out < 10_000:
        log.warning("one more")  # for as long as something is read, something is said
        line = reader.readline()
        if line.endswith("left out: nobody read them\n"):
            left_out += int(line.split()[0])
        else:
            told.append(line)
    assert told[:2] == ["line 0\n", "line 1\n"]
    assert left_out > 1000

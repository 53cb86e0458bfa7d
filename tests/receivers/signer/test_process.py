"""`riskwarden-signer` as a process: killed, restarted, lied to, and in the service's stead."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nursery
import pytest
from hashed_leaves import leaves, tree_of
from typer.testing import CliRunner, Result

from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.note import VerifierKey
from risk_receivers.signer.errors import (
    InconsistentHeadError,
    NotThereError,
    UnreachableSignerError,
)
from risk_receivers.signer.files import public_path
from risk_receivers.signer.socket_signer import SocketSigner
from riskwarden.app import application


@dataclass
class Process:
    """The signer's process and its files."""

    folder: Path
    wait_until: Callable[..., Any]
    running: nursery.Born | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    @property
    def key(self) -> Path:
        return self.folder / "key"

    def spawn(self) -> nursery.Born:
        return nursery.start(
            "risk_receivers.signer.process",
            *("--key", str(self.key), "--socket", str(self.socket), "--name", "riskwarden/test"),
            environ=os.environ,
            out=self.folder / "log",
        )

    def start(self) -> SocketSigner:
        self.running = self.spawn()
        found: SocketSigner = self.wait_until(self.reached, what="the signer listens")
        return found

    def reached(self) -> SocketSigner | None:
        try:
            return SocketSigner(self.socket)
        except UnreachableSignerError:
            return None

    def kill(self, number: int = signal.SIGKILL) -> int:
        assert self.running is not None
        self.running.send_signal(number)
        return self.running.wait(20)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def process(wait_until: Callable[..., Any]) -> Iterator[Process]:
    """One that does not run yet, in a folder whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="rw", dir="/tmp") as folder:
        process = Process(Path(folder), wait_until)
        yield process
        if process.running is not None and process.running.poll() is None:
            process.running.kill()
            process.running.wait(20)


def test_killed_and_restarted_it_refuses_a_fork_and_a_rewind(process: Process) -> None:
    signer = process.start()
    signer.begin(3, tree_of(leaves(3)).frontier, b"")
    note = signer.sign(3, leaves(8)[3:], tree_of(leaves(8)).root)
    process.kill()
    signer = process.start()
    assert signer.latest().note == note, "what it has signed can be had again"
    forked = leaves(12, "other")
    with pytest.raises(InconsistentHeadError, match="rewritten or forked"):
        signer.sign(8, forked[8:], tree_of(forked).root)
    with pytest.raises(NotThereError) as refused:
        signer.sign(3, leaves(6)[3:], tree_of(leaves(6)).root)
    assert refused.value.size == 8
    with pytest.raises(NotThereError):
        signer.begin(2, tree_of(leaves(2)).frontier, b"")
    assert signer.latest().note == note
    honest = signer.sign(8, leaves(9)[8:], tree_of(leaves(9)).root)
    checkpoint, signed = Checkpoint.of(honest)
    assert (checkpoint.head.size, checkpoint.previous) == (9, 8)
    public = VerifierKey.parse(public_path(process.key).read_text())
    assert signed.signed_by([public]) == [public]
    assert process.log.count("rewritten or forked") == 1
    assert process.kill(signal.SIGTERM) == 0
    assert not process.socket.exists()


def test_killed_at_any_moment_it_never_forgets_what_it_told(process: Process) -> None:
    signer = process.start()
    signer.begin(1, tree_of(leaves(1)).frontier, b"")
    told = [1]

    def sign_on() -> None:
        size = told[-1]
        while True:
            try:
                signer.sign(size, leaves(size + 1)[size:], tree_of(leaves(size + 1)).root)
            except UnreachableSignerError:
                return
            size += 1
            told.append(size)

    for _ in range(2):
        asking = threading.Thread(target=sign_on)
        asking.start()
        enough = told[-1] + 5
        process.wait_until(lambda enough=enough: told[-1] >= enough)
        process.kill()
        asking.join()
        signer = process.start()
        kept = signer.latest()
        assert kept.size in (told[-1], told[-1] + 1)
        assert kept.tree.root == tree_of(leaves(kept.size)).root
        told.append(kept.size)


def test_nobody_else_gets_at_it_and_nonsense_stops_nobody(process: Process) -> None:
    signer = process.start()
    assert stat.S_IMODE(process.socket.stat().st_mode) == 0o660
    assert stat.S_IMODE(process.key.stat().st_mode) == 0o600
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    silent.connect(str(process.socket))
    for nonsense in (b"\0\0\0\4{}{}", b"\xff\xff\xff\xff", b"\0\0\0\2[]", b"GET / HTTP/1.1\r\n"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(process.socket))
            client.sendall(nonsense)
    with pytest.raises(InconsistentHeadError):
        signer.begin(3, [b"short"], b"")
    signer.begin(3, tree_of(leaves(3)).frontier, b"")
    with pytest.raises(InconsistentHeadError, match="32 bytes each"):
        signer.sign(3, [b"short"], bytes(32))
    silent.close()


def test_a_second_one_does_not_start(process: Process) -> None:
    process.start()
    assert process.spawn().wait(20) == 2
    assert "another process signs with this key" in process.log
    other = Process(process.folder, process.wait_until)
    other.key.rename(process.folder / "elsewhere")
    assert other.spawn().wait(20) == 2
    assert "another signer listens there" in process.log


def test_a_file_where_the_socket_is_to_be_is_left_alone(process: Process) -> None:
    process.socket.write_text("somebody's")
    assert process.spawn().wait(20) == 2
    assert "a file there that is no socket" in process.log
    assert process.socket.read_text() == "somebody's"


def test_what_listens_there_but_is_no_signer_is_said(process: Process) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as impostor:
        impostor.bind(str(process.socket))
        impostor.listen()

        def serve() -> None:
            connection, _ = impostor.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"\0\0\0\2[]")

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(UnreachableSignerError, match="is no riskwarden-signer"):
            SocketSigner(process.socket)
        thread.join()


def verified(receivers: Any) -> Result:
    asked = ["audit", "verify", "--data", str(receivers.data), "--policy", str(receivers.policy)]
    return CliRunner().invoke(application(asked), asked, env=receivers.environ)


def test_the_service_is_signed_by_it_and_goes_on_without_it(
    process: Process, stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    stopped.policy.write_text(
        stopped.policy.read_text()
        + '\n[alerting.audit.signing]\nsigner = "socket"\ncheckpoint_seconds = 0.05\n'
        + f'socket_path = "{process.socket}"\n'
    )

    def all_signed() -> bool:
        (size,) = stopped.rows("SELECT max(seq) FROM audit_header")[0]
        return bool(stopped.rows("SELECT 1 FROM audit_checkpoint WHERE size = ?", size))

    receivers = stopped.start()
    problem = wait_until(lambda: receivers.status()["audit"]["signing_problem"])
    assert "riskwarden-signer does not answer" in problem
    assert receivers.send("alerts", [words.alert()]).status_code == 200
    signer = process.start()
    wait_until(all_signed, what="the signer is found, and signs it all")
    assert "SIGNING_BEGAN" in receivers.event_types()
    process.kill()
    receivers.operator_kill("pause")
    assert receivers.gate_says_halt() or receivers.status()["kill_switch"]["state"] == "TRIPPED"
    wait_until(lambda: receivers.status()["audit"]["signing_problem"])
    process.start()
    wait_until(all_signed)
    assert process.running is not None
    os.kill(process.running.pid, signal.SIGSTOP)
    assert receivers.send("alerts", [words.alert(risk_id="drawdown/2")]).status_code == 200
    os.kill(process.running.pid, signal.SIGCONT)
    wait_until(all_signed)
    found = receivers.verified()
    assert (found.ok, found.key) == (True, signer.key.short)
    receivers.stop()
    assert verified(receivers).exit_code == 0
    with closing(sqlite3.connect(receivers.database, isolation_level=None)) as connection:
        connection.execute("DELETE FROM audit_checkpoint")
    told = verified(receivers)
    assert (told.exit_code, "checkpoints were deleted" in told.stderr.replace("\n", " ")) == (
        1,
        True,
    )
    process.kill()
    told = verified(receivers)
    assert "what was signed last is not known" in told.stderr.replace("\n", " ")
    assert not (receivers.data / "audit" / "signing.key").exists()

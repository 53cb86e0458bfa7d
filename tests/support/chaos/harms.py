"""What is done to the parts: each harm begins, and ends when its context does."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from risk_policy.model.base import split_endpoint

if TYPE_CHECKING:
    from chaos.world import World

Harm = Callable[["World"], AbstractContextManager[None]]
#: Of every half second, a slow part has this long.
_AWAKE_SECONDS: Final = 0.05
_ASLEEP_SECONDS: Final = 0.45


def killed(part: str) -> Harm:
    """kill -9; started again afterwards."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        world.stage.kill_process(part)
        yield
        world.start_again(part)

    return harm


def paused(part: str) -> Harm:
    """SIGSTOP; SIGCONT afterwards."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        world.stage.freeze(part)
        try:
            yield
        finally:
            world.stage.thaw(part)

    return harm


def slowed(part: str) -> Harm:
    """It may run for a tenth of the time."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        over = threading.Event()

        def slow() -> None:
            while not over.is_set():
                world.stage.freeze(part)
                over.wait(_ASLEEP_SECONDS)
                world.stage.thaw(part)
                over.wait(_AWAKE_SECONDS)

        thread = threading.Thread(target=slow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    return harm


def cut_off(part: str) -> Harm:
    """Every packet to and from its port is lost, in a network namespace that is ours alone."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        _, port = split_endpoint(getattr(world.stage.stack.endpoints, part))
        rules = [f"tcp {way} {port} drop" for way in ("dport", "sport")]
        _nft("add table inet chaos")
        _nft("add chain inet chaos lost { type filter hook input priority 0 ; }")
        for rule in rules:
            _nft(f"add rule inet chaos lost {rule}")
        try:
            yield
        finally:
            _nft("delete table inet chaos")

    return harm


def _nft(command: str) -> None:
    subprocess.run([system_tool("nft"), command], check=True, capture_output=True)


@contextmanager
def locked_database(world: World) -> Iterator[None]:
    """A shell or a backup holds the database, and does not let go."""
    with closing(sqlite3.connect(world.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def full_disk(world: World) -> Iterator[None]:
    """Not one byte is left where everything is kept."""
    ballast = world.stage.layout.root / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    stream.write(b"\0" * size)
            except OSError:
                continue
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def read_only_disk(world: World) -> Iterator[None]:
    """The disk of the store fails, and the kernel makes it read-only; checked and mounted again."""
    place = world.database.parent
    subprocess.run(["mount", "-o", "remount,abort", str(place)], check=True)
    yield
    world.end_process("receivers")
    subprocess.run(["umount", str(place)], check=True)
    image = place.with_name("disk.img")
    subprocess.run([system_tool("e2fsck"), "-p", str(image)], check=False, capture_output=True)
    subprocess.run(["mount", "-o", "loop,errors=remount-ro", str(image), str(place)], check=True)
    world.start_again("receivers")


def clock_jumped(seconds: int) -> Harm:
    """The wall clock of the receivers is set; that of everybody else stays."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        world.set_clock(seconds)
        try:
            yield
        finally:
            world.set_clock(0)

    return harm


@contextmanager
def restarted_prometheus(world: World) -> Iterator[None]:
    """kill -9 and a new start, in the middle of what it counts."""
    world.stage.kill_process("prometheus")
    world.start_again("prometheus")
    yield


@contextmanager
def broken_configuration(world: World) -> Iterator[None]:
    """Prometheus and Alertmanager read what is no configuration, the receivers no policy."""
    layout = world.stage.layout
    files = (
        *(layout.prometheus / "prometheus.yml", layout.alertmanager_config),
        world.policy_file,
    )
    whole = [path.read_bytes() for path in files]
    for path, content in zip(files, whole, strict=True):
        path.write_bytes(content[: len(content) // 2] + b"\n%%% = [broken\n")
    for part in ("prometheus", "alertmanager"):
        world.signal(part, signal.SIGHUP)
    world.end_process("receivers")
    world.refused = world.start_refused()
    for path, content in zip(files, whole, strict=True):
        if path == world.policy_file:
            path.write_bytes(content)
    world.start_again("receivers")
    yield
    for path, content in zip(files, whole, strict=True):
        path.write_bytes(content)
    for part in ("prometheus", "alertmanager"):
        world.signal(part, signal.SIGHUP)


@contextmanager
def corrupt_silences(world: World) -> Iterator[None]:
    """Alertmanager finds rubbish where its silences were, and is started on it."""
    world.end_process("alertmanager")
    silences = world.stage.layout.alertmanager / "data" / "silences"
    silences.write_bytes(b"\xff\x07 no silence " + os.urandom(64))
    world.refused = world.start_alertmanager_once()
    yield
    if not world.alive("alertmanager"):
        silences.unlink()
        world.start_again("alertmanager")


@contextmanager
def small_disk(root: Path, database: Path) -> Iterator[None]:
    """A file system of its own, and a small one, for all that is kept."""
    del database
    with _mounted(["-t", "tmpfs", "-o", "size=96m", "chaos"], root):
        yield


@contextmanager
def own_disk(root: Path, database: Path) -> Iterator[None]:
    """A disk of its own for the store: ext4 in a file."""
    del root
    place = database.parent
    place.mkdir(parents=True, exist_ok=True)
    image = place.with_name("disk.img")
    with image.open("wb") as stream:
        stream.truncate(64 << 20)
    subprocess.run([system_tool("mkfs.ext4"), "-q", str(image)], check=True)
    with _mounted(["-o", "loop,errors=remount-ro", str(image)], place):
        yield


@contextmanager
def _mounted(what: list[str], where: Path) -> Iterator[None]:
    subprocess.run(["mount", *what, str(where)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=False)


def system_tool(name: str) -> str:
    """Where a tool is that users have not on their path."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return found or name

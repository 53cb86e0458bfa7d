"""A PostgreSQL server of the tests' own, shared by their processes, gone with the last of them.

It listens on a socket in a temporary folder and nowhere else. Whoever uses it holds a lock that
the kernel lets go of with the process; a watcher that waits for all of those locks ends it. It
synchronises like any other, but in memory where the machine has such a folder.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_DEBIAN: Final = Path("/usr/lib/postgresql")
#: initdb and the server refuse to be root.
_USER: Final = "postgres"
_FLAGS: Final = (
    *("-c", "listen_addresses="),
    *("-c", "max_connections=200"),
    *("-c", "shared_buffers=32MB"),
    *("-c", "autovacuum=off"),
    *("-c", "timezone=UTC"),
)


def _binary(name: str) -> str:
    versions = sorted(_DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name))
    places = [*(str(path) for path in reversed(versions)), os.environ.get("PATH", "")]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        raise RuntimeError(f"{name} is not installed; ./dev installs it")
    return found


def _as_user(command: list[str]) -> list[str]:
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups", *command]


class Cluster:
    """A running server."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def dsn(self, database: str = "postgres") -> str:
        """How a database of it is reached."""
        return f"host={self.socket} user={_USER} dbname={database}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """The DSN of a new database, which is gone afterwards."""
        name = f"t_{uuid4().hex}"
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            yield self.dsn(name)
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def own_cluster(folder: Path) -> Iterator[Cluster]:
    """A server of one test's own, which may be restarted; it ends with the context."""
    folder.mkdir()
    with (folder / "users").open("a") as using:
        fcntl.flock(using, fcntl.LOCK_SH)
        yield Cluster(_start(folder / "users"))


def restart(running: Cluster) -> None:
    """End a server as a crash does, every connection with it, and start it again."""
    root = running.socket
    act = [_binary("pg_ctl"), "-D", str(root / "data"), "-w", "-s", "-m", "immediate"]
    options = " ".join([*_FLAGS, "-k", str(root)])
    restarting = [*act, "-l", str(root / "log"), "restart", "-o", options]
    subprocess.run(_as_user(restarting), check=True, capture_output=True, cwd="/")


@contextmanager
def cluster(shared: Path) -> Iterator[Cluster]:
    """The server of everybody who names the same folder; started if it does not run."""
    shared.mkdir(exist_ok=True)
    users, place = shared / "users", shared / "place"
    with (shared / "turn").open("a") as turn, users.open("a") as using:
        fcntl.flock(turn, fcntl.LOCK_EX)
        root = Path(place.read_text()) if place.exists() else None
        if root is None or not _runs(root):
            root = _start(users)
            place.write_text(str(root))
        fcntl.flock(using, fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        yield Cluster(root)


def _runs(root: Path) -> bool:
    try:
        psycopg.connect(Cluster(root).dsn(), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _start(users: Path) -> Path:
    root = Path(tempfile.mkdtemp(prefix="pg-", dir=_MEMORY if _MEMORY.is_dir() else None))
    if os.geteuid() == 0:
        entry = pwd.getpwnam(_USER)
        os.chown(root, entry.pw_uid, entry.pw_gid)
    root.chmod(0o755)
    data = root / "data"
    initdb = [_binary("initdb"), "-D", str(data), "-U", _USER, "-A", "trust", "-N", "--no-locale"]
    subprocess.run(
        _as_user([*initdb, "-E", "UTF8", "--no-instructions"]),
        check=True,
        capture_output=True,
        cwd="/",
    )
    start = [_binary("pg_ctl"), "-D", str(data), "-w", "-s", "-l", str(root / "log"), "start"]
    options = " ".join([*_FLAGS, "-k", str(root)])
    subprocess.run(_as_user([*start, "-o", options]), check=True, capture_output=True, cwd="/")
    stop = " ".join(_as_user([_binary("pg_ctl"), "-D", str(data), "-m", "immediate", "-s", "stop"]))
    watch = f"sleep 1; flock -x {users} {stop}; rm -rf {root}"
    subprocess.run(
        ["sh", "-c", f"setsid sh -c '{watch}' </dev/null >/dev/null 2>&1 &"], check=True, cwd="/"
    )
    return root

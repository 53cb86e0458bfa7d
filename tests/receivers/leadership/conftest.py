"""Two receivers on one PostgreSQL store, as real processes, on one machine or as on two."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from postgres_cluster import Cluster

from risk_policy.contracts import gate as contract
from risk_receivers.audit.query import StoredEvent, events
from risk_receivers.database.place import Server
from risk_receivers.verification import verify_store

PAIR = """
[alerting.audit]
storage_backend = "postgresql"
[alerting.high_availability]
take_over_seconds = {seconds}
"""


def probe(service: Any, path: str = "/readyz") -> tuple[int, dict[str, Any]]:
    """What a probe is answered; 0 if nothing."""
    try:
        answer = service.client.get(service.url + path, timeout=2)
    except httpx.TransportError:
        return 0, {}
    return answer.status_code, answer.json()


def leads(service: Any) -> bool:
    return probe(service) == (200, {"status": "ready"})


def stands_by(service: Any) -> bool:
    code, said = probe(service)
    return code == 200 and said["status"] == "standby"


@dataclass
class Pair:
    """Two services, of which at most one leads."""

    one: Any
    other: Any
    dsn: str
    wait_until: Callable[..., Any] = field(repr=False)

    @property
    def place(self) -> Server:
        return Server(self.dsn, self.one.database)

    leads = staticmethod(leads)
    probe = staticmethod(probe)
    stands_by = staticmethod(stands_by)

    def start(self) -> Pair:
        """The one leads, the other stands by."""
        self.one.spawn()
        self.wait_until(lambda: leads(self.one), 30, "the one leads")
        self.share_key()
        self.other.spawn()
        self.wait_until(lambda: stands_by(self.other), 30, "the other stands by")
        return self

    def share_key(self) -> None:
        """Both sign with one key."""
        key = self.other.data / "audit" / "signing.key"
        if not key.exists():
            key.parent.mkdir(parents=True)
            shutil.copy2(self.one.data / "audit" / "signing.key", key)

    def start_other(self, key: str | None) -> str:
        """Start the other with that in place of the key; how it refuses."""
        path = self.other.data / "audit" / "signing.key"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if key is not None:
            path.write_text(key)
            path.chmod(0o600)
        assert self.other.spawn().wait(30) == 2, self.other.log
        return str(self.other.log)

    def await_leader(self, service: Any, seconds: float = 60) -> None:
        self.wait_until(lambda: leads(service), seconds, f"leads: {service.log[-2000:]}")

    def await_standby(self, service: Any) -> None:
        self.wait_until(lambda: stands_by(service), 60, "stands by")

    def chain(self) -> list[StoredEvent]:
        return events(self.place, 0, 100_000)

    def counted(self, kind: str) -> Counter[str]:
        return Counter(str(e.payload.details["labels"]["risk_id"]) for e in self.events_of(kind))

    def events_of(self, kind: str) -> list[Any]:
        return [e for e in self.chain() if str(e.event_type) == kind and e.payload]

    def rows(self, sql: str) -> list[Any]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SET search_path = riskwarden")
            return connection.execute(sql.encode()).fetchall()

    @property
    def term(self) -> int:
        return int(self.rows("SELECT term FROM riskwarden_lead.leader")[0][0])

    def verified(self) -> bool:
        found = verify_store(self.place, signing_key=self.one.data / "audit" / "signing.key")
        assert found.ok, found.problems
        return found.ok


def gate_is_open(data: Path) -> bool:
    """Whether a reader of a folder may add risk; one that was never published allows none."""
    lease = data / "gate" / contract.LEASE_FILE
    if not lease.exists():
        return False
    found = lease.read_bytes()
    lease_ns, longest = (int.from_bytes(found[i : i + 8], "little") for i in (0, 24))
    return contract.lease_is_open(lease_ns, longest, contract.now_ns())


@pytest.fixture
def make_pair(
    service_in: Callable[[Path], Any], postgres: Cluster, tmp_path: Path, wait_until: Any
) -> Iterator[Callable[..., Pair]]:
    """Makes two services, with a data folder each or one for both, that were never started."""
    with ExitStack() as stack:

        @contextmanager
        def service(folder: Path, dsn: str, seconds: float, more: str) -> Iterator[Any]:
            folder.mkdir()
            found = service_in(folder)
            with found.policy.open("a") as policy:
                policy.write(PAIR.format(seconds=seconds) + more)
            found.environ["RISKWARDEN_POSTGRESQL_DSN"] = dsn
            try:
                yield found
            finally:
                if found.process is not None and found.process.poll() is None:
                    found.process.send_signal(signal.SIGCONT)
                found.close()

        def make(
            *, shared: bool = False, seconds: float = 3, more: str = "", dsn: str = ""
        ) -> Pair:
            dsn = dsn or stack.enter_context(postgres.database())
            one = stack.enter_context(service(tmp_path / "one", dsn, seconds, more))
            other = stack.enter_context(service(tmp_path / "other", dsn, seconds, more))
            if shared:
                other.data = one.data
            return Pair(one, other, dsn, wait_until)

        yield make


@pytest.fixture
def pair(make_pair: Callable[..., Pair]) -> Pair:
    """Two with folders of their own, as on two machines: the one leads."""
    return make_pair().start()

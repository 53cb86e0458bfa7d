"""A restore is killed, at whatever moment: the store that was there is there, or all of the other.

Or neither starts, and says so: nobody begins an empty store, or goes on with half of one. The same
command, given again, ends what was begun; nothing that was there is deleted by either.

A sample of the moments is tried each time, all of them with RISKWARDEN_CRASH_POINTS=all.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import command_crash
import psycopg
import pytest
import stores
from copied_store import audit, lengthen
from stores import BACKENDS
from traced_child import answering

from risk_receivers.audit import query
from risk_receivers.audit.chain import Head
from risk_receivers.database.place import Place, Server, path_of
from risk_receivers.store.errors import StoreError
from risk_receivers.verification import verify_store

ALL = os.environ.get("RISKWARDEN_CRASH_POINTS") == "all"
#: Moments of each call that are tried, counted from the last: names are given towards the end.
MOMENTS = {"rename": 3, "link": 1, "unlink": 0, "sendto": 2}
#: What is done with SQLite alone is part of what is done with segment files.
TRIED = BACKENDS if ALL else BACKENDS[1:]
Attempt = Callable[..., dict[str, int]]

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: ./dev setup installs it"
)


@pytest.fixture
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A new store where the policy has one kept."""
    backend = request.param
    policy = tmp_path / "alerting.toml"
    policy.write_text(f'[alerting.audit]\nstorage_backend = "{backend}"\n', encoding="utf-8")
    monkeypatch.setenv("RISKWARDEN_POLICY", str(policy))
    monkeypatch.setenv("RISKWARDEN_DATA", str(tmp_path / "data"))
    path = tmp_path / "data" / "audit" / "audit.db"
    with stores.kept(backend, path, lambda: request.getfixturevalue("postgres")) as place:
        if isinstance(place, Server):
            monkeypatch.setenv("RISKWARDEN_POSTGRESQL_DSN", place.dsn)
        yield place


@pytest.fixture(scope="module")
def attempt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attempt]:
    """Runs a command up to a moment."""
    log = tmp_path_factory.mktemp("tries") / "strace"
    with answering(command_crash.__file__) as ask:

        def make(*arguments: object, call: str = "", number: int = 0) -> dict[str, int]:
            one = {
                "arguments": ["audit", *map(str, arguments)],
                "environ": {key: os.environ[key] for key in os.environ if "RISKWARDEN" in key},
                "log": str(log),
                "call": call,
                "number": number,
            }
            found: dict[str, int] = json.loads(ask(json.dumps(one)))
            return found

        yield make


def restore(copy: Path) -> None:
    """As somebody does who reads what is said."""
    done = audit("restore", copy, "--force")
    if found := re.search(r"--accept-loss (\d+)", done.stderr):
        done = audit("restore", copy, "--force", "--accept-loss", found[1])
    assert done.exit_code == 0, done.stderr


def kept_aside(store: Place) -> list[Head]:
    """Where the stores end that were moved aside."""
    if not isinstance(store, Server):
        found = path_of(store).parent.glob("audit.db.replaced-*Z")
        return [query.head(path) for path in found]
    with psycopg.connect(store.dsn) as connection:
        schemas = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'riskwarden_replaced%'"
        ).fetchall()
        ends = [
            connection.execute(
                f"SELECT seq, encode(checksum, 'hex') FROM {schema}.audit_header "  # noqa: S608
                "ORDER BY seq DESC LIMIT 1"
            ).fetchone()
            for (schema,) in schemas
        ]
        return [Head(*end) for end in ends if end]


@pytest.mark.long
@pytest.mark.parametrize("store", TRIED, indirect=True)
def test_a_restore_that_is_killed_leaves_what_was_there_or_all_of_what_is_restored(
    store: Place, attempt: Attempt, tmp_path: Path
) -> None:
    lengthen(store, 5)
    copy = tmp_path / "copy.db"
    assert audit("backup", copy).exit_code == 0
    given = ("restore", copy, "--force", "--accept-loss", 3)
    lengthen(store, 3)
    calls = attempt(*given)
    tried = 0
    for call, moments in MOMENTS.items():
        last = calls.get(call, 0)
        # One statement in a transaction is like another; the last is the end of it.
        step = 10 if ALL and call == "sendto" else 1
        for number in range(last, 0 if ALL else max(last - moments, 0), -step):
            lengthen(store, 3 - (query.head(store).size - 6))
            old = query.head(store)
            attempt(*given, call=call, number=number)
            tried += 1
            try:
                lengthen(store, 0)  # as the receivers start
            except StoreError as error:
                assert re.search("ecords were lost|move it", str(error)), error
            else:
                is_new = query.events(store, 6)[0].event_type == "AUDIT_RESTORED"
                assert is_new or query.head(store) == old
            restore(copy)
            found = verify_store(store)
            assert (found.problems, found.warnings) == ((), ())
            assert query.events(store, 6)[0].event_type == "AUDIT_RESTORED"
            assert old in kept_aside(store)
            assert not list(path_of(store).parent.glob("*.part*"))
    assert tried >= 3

"""The writer dies, a call of its fails, or the power goes, at any write or sync that it makes.

Whatever the moment: what was acknowledged is on record, an event and what belongs to it are both
there or neither, the verifier has nothing to complain of, and the next writer goes on.

A sample of the moments is tried each time, all of them with RISKWARDEN_CRASH_POINTS=all.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import crash_points
import pytest
from crash_points import CALLS, Outcome, Try, make_writer, work_of
from power_cut import Disk, calls_of
from traced_child import ENDINGS, answering

from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.audit.query import events
from risk_receivers.audit.tables import open_read_only
from risk_receivers.database.place import Place, Segmented
from risk_receivers.store.head_file import read
from risk_receivers.verification import verify_store

#: Every so many moments are tried, others for each ending.
STEP = 1 if os.environ.get("RISKWARDEN_CRASH_POINTS") == "all" else 23
Attempt = Callable[..., tuple[Path, Outcome]]

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: ./dev setup installs it"
)


@pytest.fixture(scope="module")
def attempt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attempt]:
    """Makes tries, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("tries")
    made = 0
    with answering(crash_points.__file__) as ask:

        def make(
            call: str,
            number: int,
            ending: str,
            begin: Path | None = None,
            in_files: bool = False,
            **more: Any,
        ) -> tuple[Path, Outcome]:
            nonlocal made
            made += 1
            place = str(folder / str(made))
            one = Try(place, str(begin or ""), call, number, ending, in_files, **more)
            return Path(one.folder), Outcome(**json.loads(ask(json.dumps(asdict(one)))))

        yield make


def grown_store(attempt: Attempt, *, in_files: bool) -> Path:
    folder, outcome = attempt("", 0, "nothing", None, in_files)
    assert len(outcome.acknowledged) == 7
    (folder / "strace").unlink()
    return folder


@pytest.fixture(scope="module")
def grown(attempt: Attempt) -> Path:
    """A folder with a database that somebody wrote to and closed."""
    return grown_store(attempt, in_files=False)


@pytest.fixture(scope="module")
def grown_files(attempt: Attempt) -> Path:
    """The same with a chain in segment files."""
    return grown_store(attempt, in_files=True)


@pytest.fixture(params=["a new store", "one that was there"])
def is_new(request: pytest.FixtureRequest) -> bool:
    """Whether there is nothing yet."""
    return bool(request.param == "a new store")


@pytest.fixture(params=["SQLite", "segment files"])
def in_files(request: pytest.FixtureRequest) -> bool:
    """Where the chain is kept."""
    return bool(request.param == "segment files")


@pytest.fixture
def begin(is_new: bool, in_files: bool, grown: Path, grown_files: Path) -> Path | None:
    """The folder that a writer finds, None if there is none."""
    return None if is_new else grown_files if in_files else grown


@pytest.mark.parametrize("ending", ENDINGS)
def test_whenever_a_writer_ends_nothing_acknowledged_is_lost_and_the_next_goes_on(
    attempt: Attempt, ending: str, begin: Path | None, in_files: bool
) -> None:
    _, whole = attempt("", 0, "nothing", begin, in_files)
    assert sum(whole.calls.values()) > 50
    offset = list(ENDINGS).index(ending) * 4 + 2 * in_files + (begin is None)
    moments = [(call, n) for call in CALLS for n in range(1, whole.calls.get(call, 0) + 1)]
    for call, number in moments[offset % STEP :: STEP]:
        folder, outcome = attempt(call, number, ending, begin, in_files)
        try:
            assert outcome.ended == (ending == "SIGKILL")
            take_stock(folder / "audit.db", set(outcome.acknowledged), in_files=in_files)
        except BaseException as error:
            error.add_note(f"{ending} at {call} number {number} of the writer's thread")
            raise
        shutil.rmtree(folder)


def test_whenever_the_power_goes_nothing_acknowledged_is_lost_and_the_next_writer_goes_on(
    attempt: Attempt, tmp_path: Path, begin: Path | None, in_files: bool
) -> None:
    folder, outcome = attempt("", 0, "nothing", begin, in_files)
    before = [path for path in begin.rglob("*") if path.is_file()] if begin else []
    disk = Disk({str(path.relative_to(begin or folder)): path.read_bytes() for path in before})
    chance = random.Random(20)
    for number, call in enumerate(calls_of(folder / "strace")):
        disk.do(call)
        # Each write of a segment, of which there are few, and whose lines can be torn.
        if number % STEP and (call.name != "write" or not call.file.endswith(".jsonl")):
            continue
        moment = f"the power goes after call {number}, {call.name} of {call.file}"
        take_stock_of_all(disk, chance, tmp_path, moment, in_files=in_files)
    assert disk.told == list(outcome.acknowledged)


def test_after_a_failed_sync_the_next_process_relies_on_nothing_that_may_not_be_on_the_disk(
    attempt: Attempt, tmp_path: Path, grown: Path, grown_files: Path, in_files: bool
) -> None:
    begin = grown_files if in_files else grown
    _, whole = attempt("", 0, "nothing", begin, in_files, abrupt=True)
    failures = 0
    syncs = range(1, whole.calls["fdatasync"] + 1)
    for failing in syncs[2 + in_files :: 4 if STEP > 1 else 1]:
        before = [path for path in begin.rglob("*") if path.is_file()]
        disk = Disk({str(path.relative_to(begin)): path.read_bytes() for path in before})
        failed, first = attempt(
            *("fdatasync", failing, "EIO", begin, in_files), noted=True, abrupt=True
        )
        for call in calls_of(failed / "strace"):
            disk.do(call)
        failures += len(first.acknowledged) < len(whole.acknowledged)
        after, then = attempt("", 0, "nothing", failed, in_files, abrupt=True, first=200)
        chance = random.Random(failing)
        for call in calls_of(after / "strace"):
            disk.do(call)
            if call.name != "told":
                continue
            moment = f"synchronisation {failing} failed; told: {disk.told}"
            take_stock_of_all(disk, chance, tmp_path, moment, in_files=in_files)
        assert disk.told == [*first.acknowledged, *then.acknowledged]
        assert then.acknowledged
    assert failures, "a writer noticed"


def test_a_log_that_lost_its_tail_is_a_shorter_chain_and_the_noted_head_tells(
    attempt: Attempt, grown: Path, tmp_path: Path
) -> None:
    # Killed before it moves anything from the log into the database, as it does when it ends.
    traced, _ = attempt("", 0, "nothing", grown)
    writes = [call for call in calls_of(traced / "strace") if call.name == "write"]
    moving = next(n for n, call in enumerate(writes, 1) if call.file == "audit.db")
    folder, outcome = attempt("pwrite64", moving, "SIGKILL", grown)
    assert len(outcome.acknowledged) == 7
    log = (folder / "audit.db-wal").read_bytes()
    noted = read(folder / "audit.db")
    assert noted
    sizes = set()
    cuts = range(0, len(log), 997 * STEP)
    for length in (*cuts, len(log) - 1, len(log)):
        place = tmp_path / str(length)
        place.mkdir()
        for name in ("audit.db", "audit.db.head"):
            shutil.copyfile(folder / name, place / name)
        (place / "audit.db-wal").write_bytes(log[:length])
        found = verify_store(place / "audit.db")
        sizes.add(found.events)
        is_shorter = found.events < noted.size
        assert found.warnings == ()
        assert ["its end was cut off" in problem.message for problem in found.problems] == (
            [True] if is_shorter else []
        )
        assert is_shorter == (length < len(log))
        shutil.rmtree(place)
    assert min(sizes) == 7
    assert len(sizes) > 3


def take_stock(database: Path, acknowledged: set[int], *, in_files: bool) -> None:
    """Look at what a writer left behind, and go on from there."""
    place = Segmented(database) if in_files else database
    stored: set[int] = set()
    try:
        found = verify_store(place)
    except UnreadableDatabaseError:
        assert not acknowledged, "it had not come so far as to have a chain"
    else:
        assert found.problems == ()
        # That no head is noted is to be said even of a chain in which nothing was recorded yet.
        assert not found.events or found.warnings == ()
        stored = check_halves(place)
    assert acknowledged <= stored
    writer = make_writer(database, in_files=in_files)
    writer.start()
    assert writer.end_is_proven
    assert writer.run(work_of(1000), 30) == 1000
    writer.stop(30)
    assert check_halves(place) == stored | {1000}
    found = verify_store(place)
    assert (found.problems, found.warnings) == ((), ())


def take_stock_of_all(
    disk: Disk, chance: random.Random, folder: Path, moment: str, *, in_files: bool
) -> None:
    """The same with all that the disk may hold after the power went."""
    for state, files in enumerate(disk.possible(chance)):
        place = folder / f"state {state}"
        place.mkdir()
        for name, data in files.items():
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_bytes(data)
        try:
            take_stock(place / "audit.db", set(disk.told), in_files=in_files)
        except BaseException as error:
            error.add_note(moment)
            raise
        shutil.rmtree(place)


def check_halves(place: Place) -> set[int]:
    """The numbers that are on record, in the chain and beside it."""
    payloads = [event.payload for event in events(place, limit=10_000)]
    chained = [payload.details["number"] for payload in payloads if payload]
    connection = open_read_only(place)
    try:
        noted = [n for (n,) in connection.execute("SELECT number FROM note ORDER BY number")]
    finally:
        connection.close()
    assert chained == noted, "an event and its row are written together or not at all"
    return set(noted)

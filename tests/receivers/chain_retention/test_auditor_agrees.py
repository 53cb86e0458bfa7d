"""Whatever retention, holds and clocks did: the auditor's verifier and ours call the same wrong."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from chain_archive import DAY, Archive
from hand_made_exports import SIGNER, as_lines, audited, ended
from hypothesis import given, settings
from hypothesis import strategies as st
from signed_notes import checkpoint, rfc9162_root

from risk_policy.contracts.audit import EventType
from risk_receivers.audit import export, tables
from risk_receivers.audit.holds import HoldFilter
from risk_receivers.audit.selection import Selection
from risk_receivers.errors import ReceiversError
from riskwarden.auditor import riskwarden_verify as auditor

GO = "DELETE FROM audit_payload WHERE seq = ?"


def judged(archive: Archive) -> auditor.Report:
    """What the auditor finds, who is given the chain as it stands, signed."""
    rows = tables.read(archive.database, lambda connection: list(tables.rows(connection)))
    leaves = [row.checksum for row in rows if isinstance(row.checksum, bytes)]
    note = {"checkpoint": checkpoint(len(leaves), rfc9162_root(leaves), SIGNER)}
    content = ended([*as_lines(rows), f"{json.dumps(note)}\n".encode()], len(rows))
    return audited(archive.path.parent, content, key=SIGNER.vkey, now=archive.now)


def tell(archive: Archive, what: str, amount: int) -> None:
    """One turn of a story."""
    pruner = archive.pruner("ann")
    if what == "alerts":
        archive.add(count=1 + amount % 3, details={"account": "main" if amount % 2 else "other"})
    elif what == "blocked":
        archive.add(EventType.TRADE_BLOCKED)
    elif what == "kill":
        archive.add(EventType.KILL_SWITCH_ACTIVATED)
    elif what == "days":
        archive.days_pass(1 + amount % 3)
        archive.now += timedelta(days=40 * (amount % 4))
        archive.add(message="time passed")
    elif what == "prune":
        pruner.prune(archive.now, archive.now, vouched="ann")
    elif what == "jump":
        archive.now += (-1 if amount % 2 else 1) * timedelta(days=amount * 20)
    elif what == "hold":
        covers = (
            HoldFilter(first=amount),
            HoldFilter(accounts=frozenset({"main"})),
            HoldFilter(types=frozenset({"TRADE_BLOCKED"})),
        )[amount % 3]
        pruner.place(f"case-{amount % 2}", "asked", covers)
    elif what == "release":
        pruner.release(f"case-{amount % 2}", "settled")
    elif what == "steal":
        archive.tamper(GO, values=(amount,))


STEPS = st.tuples(
    st.sampled_from(
        "alerts blocked kill days days prune prune jump hold release steal".split()  # noqa: SIM905
    ),
    st.integers(0, 20),
)


@settings(max_examples=30, deadline=None)
@given(story=st.lists(STEPS, min_size=3, max_size=14))
def test_in_every_story_both_find_the_same_records_wrong(story: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive(Path(folder))
        try:
            archive.add()
            for what, amount in story:
                with suppress(ReceiversError):  # what it refuses to do is not done
                    tell(archive, what, amount)
            ours, theirs = archive.verify(), judged(archive)
        finally:
            archive.writer.stop()
    assert ours.problem_count == theirs.problem_count, (ours.problems, theirs.problems)
    if ours.problem_count <= auditor.SHOWN:  # each keeps the first ones, in an order of its own
        found = sorted(str(one).partition(":")[0] for one in ours.problems)
        assert found == sorted(one.partition(":")[0] for one in theirs.problems)
    assert (ours.ok, ours.warning_count) == (theirs.code == 0, theirs.warning_count)
    if ours.ok:
        assert ours.deleted == theirs.deleted


def test_what_retention_deleted_is_exported_as_gone_and_found_right(archive: Archive) -> None:
    archive.add(count=4)
    archive.days_pass(92)
    assert archive.prune() == 4
    what = export.plan(archive.database, Selection(types=frozenset({"CONFIG_CHANGED"})))
    written = export.Written()
    lines = export.lines(archive.database, what, archive.now, written, lambda *_: None)
    report = audited(archive.path.parent, b"".join(lines), now=archive.now)
    assert report.problems == []
    assert (report.deleted, report.withheld) == (4, 0)  # nobody withholds what is gone
    archive.tamper(GO, values=(5,))
    with pytest.raises(ReceiversError, match="record 5"):
        b"".join(export.lines(archive.database, what, archive.now, written, lambda *_: None))


def test_a_stretch_without_its_retention_is_not_called_broken(archive: Archive) -> None:
    archive.add(count=4)
    archive.days_pass(92)
    archive.prune()
    what = export.plan(archive.database, Selection(first=2, last=3))
    lines = export.lines(archive.database, what, archive.now, export.Written(), lambda *_: None)
    report = audited(archive.path.parent, b"".join(lines), now=archive.now + DAY)
    assert report.code == 3
    assert "whether 2 payloads that are gone were due" in report.unchecked[0]
    assert "outside this export" in report.unchecked[0]


def exported(
    archive: Archive, selection: Selection, size: int, meanwhile: Callable[[], object] = lambda: 0
) -> bytes:
    """An export with a checkpoint over so many records, and what happens while it is written."""
    rows = tables.read(archive.database, lambda connection: list(tables.rows(connection)))
    leaves = [row.checksum for row in rows[:size] if isinstance(row.checksum, bytes)]
    note = checkpoint(size, rfc9162_root(leaves), SIGNER)
    what = replace(export.plan(archive.database, selection), checkpoints=((size, note),))

    def written() -> Iterator[bytes]:
        lines = export.lines(archive.database, what, archive.now, export.Written(), lambda *_: None)
        yield next(lines)
        meanwhile()
        yield from lines

    return b"".join(written())


def test_what_was_deleted_by_a_retention_behind_the_export_is_not_called_broken(
    archive: Archive,
) -> None:
    archive.add(count=4)
    archive.days_pass(92)
    archive.prune()
    for last in (3, 4, 10, 96):  # each of them signed as the chain's end, as it once was
        content = exported(archive, Selection(last=last), last)
        report = audited(archive.path.parent, content, key=SIGNER.vkey, now=archive.now)
        assert (report.code, report.problems) == (3, [])
        assert "have the whole chain exported" in report.unchecked[0]
    content = exported(archive, Selection(), 97)
    report = audited(archive.path.parent, content, key=SIGNER.vkey, now=archive.now)
    assert (report.code, report.deleted) == (0, 4)


def test_retention_that_comes_while_it_is_exported_breaks_no_export(archive: Archive) -> None:
    archive.add(count=4)
    archive.days_pass(92)
    content = exported(archive, Selection(), 96, lambda: archive.prune())
    report = audited(archive.path.parent, content, key=SIGNER.vkey, now=archive.now)
    assert (report.code, report.problems, report.deleted) == (3, [], 4)


def test_what_no_retention_may_have_deleted_is_wrong_in_any_stretch(archive: Archive) -> None:
    archive.add(count=4)
    archive.add(EventType.KILL_SWITCH_ACTIVATED)
    archive.days_pass(20)
    for gone, why in ((5, "it is kept for ever"), (3, "no retention allowed that")):
        rows = tables.read(archive.database, lambda connection: list(tables.rows(connection)))
        rows[gone - 1] = rows[gone - 1]._replace(salt=None, payload=None)
        before = [rfc9162_root([row.checksum for row in rows[:2]]).hex()]  # type: ignore[misc]
        content = ended(as_lines(rows[2:], before=before), len(rows) - 2)
        report = audited(archive.path.parent, content, now=archive.now)
        assert report.code == 1
        assert report.problems[0].startswith(f"record {gone}: ")
        assert why in report.problems[0]

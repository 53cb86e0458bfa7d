"""Verifying a part of a chain: where it begins, what is known of before, and what it tells."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from chain_archive import Archive
from signed_log import Log

from risk_policy.contracts.audit import EventType
from risk_receivers.audit import tables
from risk_receivers.audit.chain import EMPTY, Head
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.record import Link, StoredRow
from risk_receivers.audit.retention_records import Known
from risk_receivers.audit.side_by_side import links_of
from risk_receivers.audit.verifier import Verification, Verifier
from risk_receivers.audit.verify import verify, verify_database, verify_stretch
from risk_receivers.database.connection import Connection

Tamper = Callable[..., None]


@pytest.fixture
def whole(reading: Connection, database: Path) -> Verification:
    """All of it, once."""
    return verify_database(database)


def test_stretch_by_stretch_the_tree_grows_to_that_of_the_whole(
    reading: Connection, whole: Verification
) -> None:
    tree, head, seen = Tree(), EMPTY, []
    while (found := verify_stretch(reading, head, 5, tree=tree)).events:
        assert found.ok
        assert (found.tree.size, found.head.size) == (tree.size, tree.size)
        head = found.head
        seen.append(found.events)
    assert seen == [5, 5, 2]
    assert (head, tree.root) == (whole.head, whole.tree.root)


def test_a_stretch_ends_at_its_limit_and_at_a_head_that_is_expected(
    reading: Connection, whole: Verification
) -> None:
    begin = verify_stretch(reading, EMPTY, 4).head
    assert verify_stretch(reading, begin, 8, expected=whole.head).ok
    assert verify_stretch(reading, Head(4, ""), 8, expected=whole.head).ok
    assert not verify_stretch(reading, begin, 7, expected=whole.head).ok
    other = Head(12, whole.head.checksum[::-1])
    assert not verify_stretch(reading, begin, 8, expected=other).ok
    tree = Tree()
    verify_stretch(reading, EMPTY, 4, tree=tree)
    assert verify_stretch(reading, begin, 8, tree=tree, expected=whole.head).ok
    root = Head(12, whole.tree.root.hex())
    assert not verify_stretch(reading, begin, 8, expected=root).ok, "no tree leads there"
    for number in range(2):
        grown = Tree()
        verify_stretch(reading, EMPTY, 4 - number, tree=grown)
        assert verify_stretch(reading, begin, 8, tree=grown, expected=root).ok is (number == 0)


def test_of_a_part_without_what_was_before_there_is_no_root(reading: Connection) -> None:
    begin = verify_stretch(reading, EMPTY, 4).head
    found = verify_stretch(reading, begin, 8)
    assert (found.ok, found.events, found.tree.size) == (True, 8, 0)
    assert (found.signed, found.key, found.deleted) == (0, "", 0)


def test_a_stretch_follows_from_what_was_before(reading: Connection) -> None:
    wrong = Head(4, "1" * 64)
    (problem,) = verify_stretch(reading, wrong, 8).problems
    assert str(problem).startswith("record 5: does not follow from the record before it")


def test_what_was_deleted_is_explained_by_what_is_known_of_retention(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.add(EventType.ALERT_CREATED, count=4)
    archive.days_pass(92)
    assert archive.prune() == 4
    known = Known()
    with closing(tables.open_read_only(archive.database)) as connection:
        for given in (None, known, known):
            found = verify_stretch(connection, EMPTY, 3, known=given)
            assert (found.problems, found.deleted) == ((), 3)
        assert known.missing(connection).retained.through > 4
    archive.tamper("DELETE FROM audit_payload WHERE seq = 5")
    with closing(tables.open_read_only(archive.database)) as connection:
        assert [one.seq for one in verify_stretch(connection, EMPTY, 9).problems] == [5]
    archive.writer.stop()


def test_text_that_is_no_text_is_a_finding_in_a_stretch_too(database: Path, tamper: Tamper) -> None:
    tamper(
        database,
        "DROP TABLE audit_payload",
        "CREATE TABLE audit_payload(seq INTEGER PRIMARY KEY, salt, payload)",
        "INSERT INTO audit_payload SELECT seq, x'00', CAST(x'ff' AS TEXT) FROM audit_header",
    )
    with closing(tables.open_read_only(database)) as connection:
        assert not verify_stretch(connection, EMPTY, 5).ok


def test_only_the_first_problems_and_warnings_are_kept_and_all_are_counted() -> None:
    verifier = Verifier()
    for number in range(12):
        verifier.report("wrong", number)
        verifier.warn("odd", number)
    found = verifier.finish()
    assert [one.seq for one in found.problems] == [*range(10)]
    assert [one.seq for one in found.warnings] == [*range(10)]
    assert (found.ok, found.problem_count, found.warning_count) == (False, 12, 12)


def test_a_number_that_is_none_is_told_in_the_place_of_the_one_that_belongs_there(
    rows: list[StoredRow],
) -> None:
    found = verify([*rows[:2], rows[2]._replace(seq="3"), *rows[3:]])
    assert [(one.seq, one.message.partition(";")[0]) for one in found.problems] == [
        (3, "the seq is str, not an integer"),
        (3, "the header says seq 3"),
    ]


def test_the_end_of_a_chain_whose_last_header_is_gone_has_no_checksum(
    rows: list[StoredRow],
) -> None:
    found = verify([*rows[:5], rows[5]._replace(header=None)])
    assert found.head == Head(6, "")
    assert not found.ok
    assert not verify([*rows[:5], rows[5]._replace(header=None)], expected=Head(5, "1" * 64)).ok


def test_what_does_not_let_itself_be_read_is_no_finding_and_no_silence(closed: Log) -> None:
    def refused(_: Connection) -> list[str]:
        raise PermissionError("not for you")

    with pytest.raises(PermissionError, match="not for you"):
        verify_database(closed.path, checks=[refused])

    def failing(_: Connection) -> list[str]:
        raise OSError("the disk is broken")

    found = verify_database(closed.path, checks=[lambda _: ["something else"], failing])
    assert [str(one) for one in found.problems] == [
        "something else",
        "the database cannot be read past 12 records: the disk is broken",
    ]


def test_progress_is_told_on_the_way(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("risk_receivers.audit.verify._ROWS_BETWEEN_PROGRESS", 5)
    seen: list[tuple[int, int]] = []
    verify_database(database, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(5, 12), (10, 12), (12, 12)]
    assert verify_database(database).ok, "nobody has to be told"


def test_a_payload_that_is_gone_is_a_problem_to_whoever_knows_of_no_retention(
    rows: list[StoredRow],
) -> None:
    verifier = Verifier()
    for row in (*rows[:5], rows[5]._replace(salt=None, payload=None)):
        verifier.add(row)
    (problem,) = verifier.finish().problems
    assert str(problem) == "record 6: the payload is missing, and no retention allowed that"


def test_records_that_were_looked_at_by_another_process_are_linked_and_counted(
    rows: list[StoredRow],
) -> None:
    links = [None if one is None else Link._make(one) for one in links_of(rows)]
    whole = [link or row for link, row in zip(links, rows, strict=True)]
    assert [type(one) for one in whole] == [Link] * 6

    def found(*these: Link | StoredRow) -> Verification:
        verifier = Verifier(keep=10)
        for one in these:
            verifier.add(one)
        return verifier.finish()

    honest = verify(rows)
    assert (found(*whole).ok, found(*whole).head, found(*whole).events) == (True, honest.head, 6)
    assert found(*whole).tree == honest.tree
    assert [one.seq for one in found(*whole[:2], *whole[3:]).problems] == [4, 4]
    assert [one.seq for one in found(whole[0], rows[1], rows[2], whole[4]).problems] == [5, 5]

"""The heads that a Prometheus has seen, as its answers tell them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_policy.catalogue import metrics as m
from risk_receivers.audit.chain import Head, TreeHead
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.witness import WitnessError, contradicted, heads, question

LEAVES = [sha256(bytes([number])).digest() for number in range(20)]


def head_at(size: int, leaves: Sequence[bytes] = LEAVES) -> TreeHead:
    tree = Tree()
    tree.extend(leaves[:size])
    return TreeHead(size, tree.root)


def as_head(one: TreeHead) -> Head:
    return Head(one.size, one.root.hex())


def answer(seen: Sequence[TreeHead], instance: str = "a:1") -> list[dict[str, Any]]:
    """As Prometheus says it, one a second."""

    def series(name: str, values: Sequence[int], **labels: str) -> dict[str, Any]:
        metric = {"__name__": name, "instance": instance, "job": "r", **labels}
        return {"metric": metric, "values": [[at, str(v)] for at, v in enumerate(values)]}

    words = [
        series(m.AUDIT_HEAD.name, [one.words[word] for one in seen], word=str(word))
        for word in range(5)
    ]
    return [series(m.AUDIT_EVENTS.name, [one.size for one in seen]), *words]


@given(st.lists(st.tuples(st.integers(1, 2**53 - 1), st.binary(min_size=32, max_size=32))))
def test_whatever_was_scraped_is_the_head_that_was_shown(pairs: list[tuple[int, bytes]]) -> None:
    seen = [TreeHead(size, root) for size, root in pairs]
    assert heads(answer(seen)) == {as_head(one) for one in seen}


def test_two_services_are_told_apart() -> None:
    one, other = TreeHead(3, b"\1" * 32), TreeHead(3, b"\2" * 32)
    assert heads(answer([one], "a:1") + answer([other], "b:1")) == {as_head(one), as_head(other)}


def test_a_scrape_that_lacks_a_word_and_an_empty_chain_tell_nothing() -> None:
    assert heads(answer([head_at(3)])[:-1]) == set()
    assert heads(answer([TreeHead(0, head_at(0).root)])) == set()


@pytest.mark.parametrize(
    "wrong", [[{}], [{"metric": {"__name__": "x"}, "values": [[1, "NaN"]]}], [{"metric": 1}], [3]]
)
def test_an_answer_that_is_none_is_refused(wrong: list[Any]) -> None:
    with pytest.raises(WitnessError, match="cannot be understood"):
        heads(wrong)


def test_an_instance_cannot_change_what_is_asked() -> None:
    assert 'instance="127.0.0.1:9465"' in question("127.0.0.1:9465", 5)
    with pytest.raises(WitnessError, match="quotes"):
        question('a"} or vector(1)', 5)


@given(st.sets(st.integers(1, 20)))
def test_a_chain_that_went_on_passes_through_all_that_was_seen(sizes: set[int]) -> None:
    assert contradicted(LEAVES, [as_head(head_at(size)) for size in sorted(sizes)]) is None


@given(st.integers(0, 19), st.integers(1, 20))
def test_a_change_is_seen_by_the_first_head_that_covers_it(changed: int, size: int) -> None:
    other = [*LEAVES[:changed], b"\0" * 32, *LEAVES[changed + 1 :]]
    seen = [as_head(head_at(n)) for n in range(size, 21)]
    first = max(changed + 1, size)
    assert contradicted(other, seen) == as_head(head_at(first))


def test_a_chain_that_is_too_short_contradicts_what_was_seen() -> None:
    longer = as_head(head_at(20))
    assert contradicted(LEAVES[:12], [as_head(head_at(7)), longer]) == longer
    assert contradicted([], [longer]) == longer

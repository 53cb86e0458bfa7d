"""The Merkle tree: RFC 9162's definition, others' known answers, and proofs that prove."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.audit.chain import leaf_hash
from risk_receivers.audit.merkle import (
    EMPTY_ROOT,
    Proof,
    ProofError,
    Tree,
    check_consistency,
    check_inclusion,
    consistency_ranges,
    hash_ranges,
    inclusion_ranges,
    node_hash,
)

#: The inputs that certificate transparency's implementations share, and the roots over the first
#: one, two, ... of them.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


def defined_root(leaves: list[bytes]) -> bytes:
    """RFC 9162 2.1.1, as it is written there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = defined_root(leaves[:split]), defined_root(leaves[split:])
    return sha256(b"\x01" + left + right).digest()


def root_of(leaves: list[bytes]) -> bytes:
    tree = Tree()
    tree.extend(leaves)
    return tree.root


def damaged(proof: Proof, how: int) -> Proof:
    """One bit flipped, a hash dropped, one said twice, two swapped."""
    hashes = list(proof)
    where = how // 4 % max(1, len(hashes))
    match how % 4:
        case 0 if hashes:
            hashes[where] = bytes([hashes[where][0] ^ 1]) + hashes[where][1:]
        case 1 if hashes:
            del hashes[where]
        case 2 if len(hashes) > 1:
            hashes[where], hashes[where - 1] = hashes[where - 1], hashes[where]
        case _:
            hashes.insert(where, hashes[where] if hashes else bytes(32))
    return tuple(hashes)


def test_known_answers_of_others() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Tree().root == EMPTY_ROOT
    assert leaf_hash(b"").hex() == ROOTS[0]
    assert (
        leaf_hash(b"L123456").hex()
        == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    )
    assert (
        node_hash(b"N123", b"N456").hex()
        == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    )
    tree = Tree()
    for data, root in zip(INPUTS, ROOTS, strict=True):
        tree.append(leaf_hash(data))
        assert tree.root.hex() == root


@pytest.mark.parametrize(
    ("first", "second", "hashes"),
    [
        (1, 1, ()),
        (
            6,
            8,
            (
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ),
        ),
        (
            2,
            5,
            (
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ),
        ),
    ],
)
def test_consistency_proofs_are_those_of_others(
    first: int, second: int, hashes: tuple[str, ...]
) -> None:
    proof = hash_ranges(map(leaf_hash, INPUTS), consistency_ranges(first, second))
    assert tuple(one.hex() for one in proof) == hashes
    check_consistency(
        first, bytes.fromhex(ROOTS[first - 1]), second, bytes.fromhex(ROOTS[second - 1]), proof
    )


def test_it_grows_to_what_the_definition_says_from_any_frontier() -> None:
    leaves = leaves_of(70)
    for size in range(70):
        tree = Tree()
        tree.extend(leaves[:size])
        assert tree.root == defined_root(leaves[:size])
        kept = Tree(tree.size, tree.frontier)
        other = tree.copy()
        kept.extend(leaves[size:])
        assert kept.root == defined_root(leaves)
        assert other.size == size, "a copy grows by itself"
        assert tree.root == other.root


@pytest.mark.parametrize(
    ("size", "frontier"),
    [(1, ()), (3, (bytes(32),)), (0, (bytes(32),)), (1, (b"short",)), (-1, ()), (-1, (bytes(32),))],
)
def test_what_is_no_frontier_is_refused(size: int, frontier: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="frontier"):
        Tree(size, frontier)


@given(st.data(), st.integers(1, 90))
def test_an_inclusion_proof_proves_its_leaf_and_nothing_else(
    data: st.DataObject, size: int
) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    root = root_of(leaves)
    proof = hash_ranges(iter(leaves), inclusion_ranges(index, size))
    check_inclusion(leaves[index], index, size, root, proof)
    other = data.draw(st.integers(0, size).filter(lambda n: n != index))
    how = data.draw(st.integers(0, 1000))
    for leaf, place, large, claimed, given_proof in (
        (leaf_hash(b"another"), index, size, root, proof),
        (leaves[index], other, size, root, proof),
        (leaves[index], index, size, leaf_hash(root), proof),
        (leaves[index], index, size, root, damaged(proof, how)),
    ):
        with pytest.raises(ProofError):
            check_inclusion(leaf, place, large, claimed, given_proof)


@given(st.data(), st.integers(0, 90))
def test_a_consistency_proof_proves_a_beginning_and_nothing_else(
    data: st.DataObject, second: int
) -> None:
    leaves = leaves_of(second)
    first = data.draw(st.integers(0, second))
    old, new = root_of(leaves[:first]), root_of(leaves)
    proof = hash_ranges(iter(leaves), consistency_ranges(first, second))
    check_consistency(first, old, second, new, proof)
    how = data.draw(st.integers(0, 1000))
    with pytest.raises(ProofError):
        check_consistency(first, leaf_hash(old), second, new, proof)
    with pytest.raises(ProofError):
        check_consistency(first, old, second, new, damaged(proof, how))
    if first:  # nothing says what follows on an empty tree
        with pytest.raises(ProofError):
            check_consistency(first, old, second, leaf_hash(new), proof)
        forked = [leaf_hash(b"another"), *leaves[1:]]
        with pytest.raises(ProofError):
            check_consistency(
                *(first, old, second, root_of(forked)),
                hash_ranges(iter(forked), consistency_ranges(first, second)),
            )


def test_every_proof_of_every_small_tree_proves_what_it_is_for() -> None:
    leaves = leaves_of(17)
    roots = [root_of(leaves[:size]) for size in range(18)]
    for size in range(1, 18):
        for index in range(size):
            proof = hash_ranges(leaves[:size], inclusion_ranges(index, size))
            check_inclusion(leaves[index], index, size, roots[size], proof)
        for first in range(size + 1):
            proof = hash_ranges(leaves[:size], consistency_ranges(first, size))
            check_consistency(first, roots[first], size, roots[size], proof)


def test_what_is_wrong_with_a_proof_is_told() -> None:
    leaves = leaves_of(6)
    root = root_of(leaves)
    proof = hash_ranges(leaves, inclusion_ranges(2, 6))
    for index, size, hashes, says in (
        (2, 6, (*proof, bytes(32)), "longer"),
        (2, 6, proof[:-1], "shorter"),
        (2, 6, proof[1:], "shorter"),
        (2, 6, (*proof[:-1], bytes(32)), "does not lead"),
        (-1, 6, proof, "no leaf -1"),
        (6, 6, proof, "no leaf 6"),
    ):
        with pytest.raises(ProofError, match=says):
            check_inclusion(leaves[2], index, size, root, hashes)
    with pytest.raises(ProofError, match="no leaf -1"):
        check_inclusion(leaves[0], -1, 1, leaves[0], ())

    for first, second in ((3, 6), (4, 6)):
        old = root_of(leaves[:first])
        proof = hash_ranges(leaves, consistency_ranges(first, second))
        for hashes, says in (
            ((*proof, bytes(32)), "longer"),
            (proof[:-1], "shorter|empty"),
            ((*proof[:-1], bytes(32)), "does not lead to the (first|second)"),
        ):
            with pytest.raises(ProofError, match=says):
                check_consistency(first, old, second, root, hashes)
        # A whole subtree's root is not in the proof, but what it begins with.
        with pytest.raises(ProofError, match="second tree" if first == 4 else "first tree"):
            check_consistency(first, bytes(32), second, root, proof)
        with pytest.raises(ProofError, match="second tree"):
            check_consistency(first, old, second, bytes(32), proof)
    old = root_of(leaves[:3])
    with pytest.raises(ProofError, match="is empty"):
        check_consistency(3, old, 6, root, ())
    for first, second in ((7, 6), (-1, 6)):
        with pytest.raises(ProofError, match="cannot begin"):
            check_consistency(first, old, second, root, ())
    with pytest.raises(ProofError, match="such a proof is empty"):
        check_consistency(6, root, 6, root, (bytes(32),))
    with pytest.raises(ProofError, match="different roots"):
        check_consistency(6, old, 6, root, ())
    with pytest.raises(ProofError, match="empty tree is another"):
        check_consistency(0, old, 6, root, ())
    check_consistency(0, EMPTY_ROOT, 6, root, ())


def test_no_proof_is_made_of_what_is_not_there() -> None:
    for index in (-1, 0):
        with pytest.raises(ProofError, match="no leaf"):
            inclusion_ranges(index, 0)
    with pytest.raises(ProofError, match="cannot begin"):
        consistency_ranges(-1, 3)
    assert inclusion_ranges(0, 1) == consistency_ranges(0, 3) == consistency_ranges(3, 3) == []
    with pytest.raises(ProofError, match="no leaf 3"):
        inclusion_ranges(3, 3)
    with pytest.raises(ProofError, match="cannot begin"):
        consistency_ranges(4, 3)
    with pytest.raises(ProofError, match="fewer leaves"):
        hash_ranges(leaves_of(5), inclusion_ranges(0, 8))

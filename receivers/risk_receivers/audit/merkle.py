"""The RFC 9162 Merkle tree over the checksums of the chain: roots and proofs. Pure.

    node = SHA-256(0x01 || left || right)

Its leaves are the checksums as they are, which are leaf hashes already. A :class:`Tree` holds no
leaves, only the roots of its complete subtrees (its *frontier*): 24 hashes for 16 million events.
Proofs are made in one pass over the leaves in order, so they need no tree in memory either:
whoever proves names the ranges whose hashes make up the proof and hashes those.

Whoever checks a proof needs the root, and trusts neither the proof nor who made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

from risk_receivers.audit.errors import AuditError

NODE_DOMAIN: Final = b"\x01"
HASH_BYTES: Final = 32
#: The root of a tree without leaves.
EMPTY_ROOT: Final = sha256(b"").digest()

#: Leaves from the first to before the second, counted from 0.
Range = tuple[int, int]
#: The hashes that prove something, in RFC 9162's order.
Proof = tuple[bytes, ...]


class ProofError(AuditError):
    """A proof does not prove what it was made for, or none can be made."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(NODE_DOMAIN + left + right).digest()


class Tree:
    """A tree that can only grow; constant memory."""

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, frontier: Sequence[bytes] = ()) -> None:
        """A tree from its frontier, largest subtree first. Raises ValueError."""
        if size < 0 or len(frontier) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has another frontier")
        if any(len(one) != HASH_BYTES for one in frontier):
            raise ValueError(f"a frontier's hashes have {HASH_BYTES} bytes each")
        self._size = size
        self._hashes = list(frontier)

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return self._size

    @property
    def frontier(self) -> tuple[bytes, ...]:
        """The roots of its complete subtrees, largest first."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Adds a leaf hash."""
        hashes, size = self._hashes, self._size
        self._size = size + 1
        while size & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Adds leaf hashes in order."""
        for leaf in leaves:
            self.append(leaf)

    @property
    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._hashes:
            return EMPTY_ROOT
        root = self._hashes[-1]
        for left in self._hashes[-2::-1]:
            root = node_hash(left, root)
        return root

    def copy(self) -> Tree:
        """Another one that grows by itself."""
        return Tree(self._size, self._hashes)


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """What to hash to prove that leaf ``index`` (from 0) is in a tree of ``size`` leaves."""
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    path: list[Range] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((begin, middle))
            begin = middle
    path.reverse()
    return path


def consistency_ranges(first: int, second: int) -> list[Range]:
    """What to hash to prove that a tree of ``second`` leaves begins with one of ``first``."""
    if not 0 <= first <= second:
        raise ProofError(f"a tree of {second} leaves cannot begin with one of {first}")
    if first in (0, second):
        return []
    path: list[Range] = []
    begin, end = 0, second
    while first < end:
        middle = begin + _split(end - begin)
        if first <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((begin, middle))
            begin = middle
    if begin:  # else it is the first tree as a whole, whose root the verifier has
        path.append((begin, end))
    path.reverse()
    return path


def hash_ranges(leaves: Iterable[bytes], ranges: Sequence[Range]) -> Proof:
    """The hashes of ranges that do not overlap, in one pass over all leaves from the first."""
    waiting = sorted(range(len(ranges)), key=lambda n: ranges[n], reverse=True)
    hashes = [b""] * len(ranges)
    tree = Tree()
    for index, leaf in enumerate(leaves):
        if not waiting:
            break
        begin, end = ranges[waiting[-1]]
        if index >= begin:
            tree.append(leaf)
        if index + 1 == end:
            hashes[waiting.pop()] = tree.root
            tree = Tree()
    if waiting:
        raise ProofError("there are fewer leaves than the tree was said to have")
    return tuple(hashes)


def check_inclusion(leaf: bytes, index: int, size: int, root: bytes, proof: Proof) -> None:
    """Raises ProofError unless the leaf hash is leaf ``index`` of the tree. RFC 9162 2.1.3.2."""
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    number, last, computed = index, size - 1, leaf
    for one in proof:
        if last == 0:
            raise ProofError("the proof is longer than the tree is high")
        if number & 1 or number == last:
            computed = node_hash(one, computed)
            while not number & 1 and number:
                number >>= 1
                last >>= 1
        else:
            computed = node_hash(computed, one)
        number >>= 1
        last >>= 1
    if last:
        raise ProofError("the proof is shorter than the tree is high")
    if computed != root:
        raise ProofError("the proof does not lead to the tree's root")


def check_consistency(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Proof
) -> None:
    """Raises ProofError unless the second tree begins with the first. RFC 9162 2.1.4.2."""
    if not 0 <= first <= second:
        raise ProofError(f"a tree of {second} leaves cannot begin with one of {first}")
    if first in (0, second):
        if proof:
            raise ProofError("such a proof is empty")
        if first == second and first_root != second_root:
            raise ProofError("two trees of one size have different roots")
        if first == 0 and first_root != EMPTY_ROOT:
            raise ProofError("the root of the empty tree is another")
        return
    hashes = list(proof)
    if first & (first - 1) == 0:
        hashes.insert(0, first_root)
    if not hashes:
        raise ProofError("the proof is empty")
    number, last = first - 1, second - 1
    while number & 1:
        number >>= 1
        last >>= 1
    old = new = hashes[0]
    for one in hashes[1:]:
        if last == 0:
            raise ProofError("the proof is longer than the tree is high")
        if number & 1 or number == last:
            old, new = node_hash(one, old), node_hash(one, new)
            while not number & 1 and number:
                number >>= 1
                last >>= 1
        else:
            new = node_hash(new, one)
        number >>= 1
        last >>= 1
    if last:
        raise ProofError("the proof is shorter than the tree is high")
    if old != first_root:
        raise ProofError("the proof does not lead to the first tree's root")
    if new != second_root:
        raise ProofError("the proof does not lead to the second tree's root")


def _split(size: int) -> int:
    """The largest power of two below a size of at least 2."""
    return 1 << (size - 1).bit_length() - 1

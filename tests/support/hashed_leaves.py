"""Leaves of a chain and the tree over them, without any records."""

from __future__ import annotations

from risk_receivers.audit.chain import leaf_hash
from risk_receivers.audit.merkle import Tree


def leaves(size: int, of: str = "") -> list[bytes]:
    return [leaf_hash(f"{of}{number}".encode()) for number in range(size)]


def tree_of(hashes: list[bytes]) -> Tree:
    tree = Tree()
    tree.extend(hashes)
    return tree

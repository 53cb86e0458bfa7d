"""What working orders may do to a position, contingencies and reduce-only counted right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nautilus_trader.model.enums import ContingencyType, OrderSide


def taken_away(
    orders: Sequence[Any], held: float, *, besides: Any = None, entries_filled: bool = False
) -> tuple[float, float]:
    """Units that working orders may buy and sell, each contingency counted once.

    Of orders that cancel one another only the largest can be filled, and orders that only reduce
    cannot take more than there is.

    Args:
        orders: working orders of one instrument.
        held: signed units held of it.
        besides: an order that is judged: itself, and what it is an alternative to, do not count.
        entries_filled: whether what entries may bring counts as there, for exits to take away.
    """
    if not orders:
        return 0.0, 0.0
    ignored = set() if besides is None else {besides.client_order_id, *linked(besides)}
    units = {(side, reduces): 0.0 for side in (1, -1) for reduces in (True, False)}
    groups: dict[tuple[int, bool, frozenset[Any]], float] = {}
    for order in orders:
        if order.client_order_id in ignored:
            continue
        key = (1 if order.side == OrderSide.BUY else -1, bool(order.is_reduce_only))
        left = float(order.leaves_qty)
        if others := linked(order):
            group = (*key, frozenset((order.client_order_id, *others)))
            groups[group] = max(groups.get(group, 0.0), left)
        else:
            units[key] += left
    for (side, reduces, _), left in groups.items():
        units[side, reduces] += left
    entries = units[1, False], units[-1, False]
    short, long = (entries[1] - held, entries[0] + held) if entries_filled else (-held, held)
    buying = entries[0] + min(units[1, True], max(short, 0.0))
    selling = entries[1] + min(units[-1, True], max(long, 0.0))
    return buying, selling


def linked(order: Any) -> tuple[Any, ...]:
    """Orders of which only this or they can be filled."""
    if order.contingency_type not in (ContingencyType.OCO, ContingencyType.OUO):
        return ()
    return tuple(order.linked_order_ids or ())

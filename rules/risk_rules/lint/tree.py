"""PromQL as a tree, and the few questions every check asks of it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Final

from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatchOp,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    ValueType,
    VectorSelector,
)

SETS: Final = ("and", "or", "unless")
#: What each comparison becomes when its sides are swapped.
SWAPPED: Final = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
_ARITHMETIC: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def children(node: Expr) -> tuple[Expr, ...]:
    """The parts of an expression."""
    match node:
        case BinaryExpr():
            return (node.lhs, node.rhs)
        case AggregateExpr():
            return (node.expr, node.param) if isinstance(node.param, Expr) else (node.expr,)
        case Call():
            return tuple(node.args)
        case MatrixSelector():
            return (node.vector_selector,)
        case ParenExpr() | UnaryExpr() | SubqueryExpr():
            return (node.expr,)
        case _:
            return ()


def walk(node: Expr) -> Iterator[Expr]:
    """The expression and all its parts, outermost first."""
    yield node
    for child in children(node):
        yield from walk(child)


def calls_around(
    node: Expr, around: tuple[str, ...] = ()
) -> Iterator[tuple[Expr, tuple[str, ...]]]:
    """Every part with the functions and aggregations it stands in, innermost last."""
    yield node, around
    inside = around
    if isinstance(node, Call):
        inside = (*around, node.func.name)
    elif isinstance(node, AggregateExpr):
        inside = (*around, str(node.op))
    for child in children(node):
        yield from calls_around(child, inside)


def bare(node: Expr) -> Expr:
    """Without the parentheses around it."""
    while isinstance(node, ParenExpr):
        node = node.expr
    return node


def name_of(selector: VectorSelector) -> str:
    """The metric that is selected; empty if it is not named exactly."""
    if selector.name:
        return selector.name
    return equal_matchers(selector).get("__name__", "")


def equal_matchers(selector: VectorSelector) -> dict[str, str]:
    """Labels that are pinned to one value."""
    return {
        matcher.name: matcher.value
        for matcher in selector.matchers.matchers
        if matcher.op == MatchOp.Equal
    }


def matched_labels(selector: VectorSelector) -> Iterator[str]:
    """Every label a selector looks at."""
    for matcher in selector.matchers.matchers:
        yield matcher.name
    for group in selector.matchers.or_matchers:
        for matcher in group:
            yield matcher.name


def is_scalar(node: Expr) -> bool:
    """Whether it is one number without labels."""
    match bare(node):
        case NumberLiteral():
            return True
        case Call() as call:
            return bool(call.func.return_type == ValueType.Scalar)
        case UnaryExpr() as unary:
            return is_scalar(unary.expr)
        case BinaryExpr() as binary:
            return is_scalar(binary.lhs) and is_scalar(binary.rhs)
        case _:
            return False


def constant(node: Expr) -> float | None:
    """The number that stands there, computed if it has to be."""
    match bare(node):
        case NumberLiteral() as literal:
            return float(literal.val)
        case UnaryExpr() as unary:
            value = constant(unary.expr)
            return None if value is None else -value
        case BinaryExpr() as binary if str(binary.op) in _ARITHMETIC:
            left, right = constant(binary.lhs), constant(binary.rhs)
            if left is None or right is None or (right == 0 and str(binary.op) == "/"):
                return None
            return _ARITHMETIC[str(binary.op)](left, right)
        case _:
            return None


def comparisons(node: Expr) -> Iterator[tuple[Expr, str, float]]:
    """Every comparison with a number: what is compared, how, and with what."""
    for part in walk(node):
        if not isinstance(part, BinaryExpr) or str(part.op) not in SWAPPED:
            continue
        left, right = constant(part.lhs), constant(part.rhs)
        if right is not None and left is None:
            yield part.lhs, str(part.op), right
        elif left is not None and right is None:
            yield part.rhs, SWAPPED[str(part.op)], left

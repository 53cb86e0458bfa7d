"""Which labels the series of an expression have, and which of them are always the same.

Worked out from the leaves up, the way Prometheus does it. Where a leaf is not known, nothing
is claimed about what is built from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    BinModifier,
    Call,
    Expr,
    LabelModifierType,
    MatrixSelector,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    VectorMatchCardinality,
    VectorSelector,
)

from risk_rules.lint import known
from risk_rules.lint.known import IDENTITY, Origin, compatible
from risk_rules.lint.rules import Rule
from risk_rules.lint.tree import SETS, bare, equal_matchers, is_scalar, name_of

_NOTHING: Final = frozenset[str]()
#: Aggregations that pick series and leave their labels alone.
_PICKING: Final = ("topk", "bottomk", "limitk", "limit_ratio")
#: Functions and aggregations that pass a value of their series on as it is.
_PASSING: Final = frozenset(
    {
        "max", "min", "avg", "topk", "bottomk", "last_over_time", "max_over_time", "min_over_time",
        "avg_over_time", "quantile_over_time", "abs", "clamp", "clamp_min", "clamp_max", "sort",
        "sort_desc", "label_replace", "label_join", "quantile",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """Labels of series.

    Attributes:
        labels: every label any of the series can have.
        fixed: those that have the same value on all of them, with that value.
    """

    labels: frozenset[str]
    fixed: dict[str, str] = field(default_factory=dict)

    @property
    def varying(self) -> frozenset[str]:
        """What tells the series apart."""
        return self.labels - self.fixed.keys()

    def only(self, names: Iterable[str]) -> Shape:
        """With no other labels than these."""
        kept = self.labels & frozenset(names)
        return Shape(kept, {name: value for name, value in self.fixed.items() if name in kept})


def decided_by(names: Iterable[str]) -> frozenset[str]:
    """Labels whose values follow from these: a risk_id decides all that it is about."""
    given = frozenset(names)
    return given | IDENTITY | {"limit"} if "risk_id" in given else given


@dataclass(slots=True)
class Shapes:
    """Shapes of expressions, given what the rules at hand record."""

    _recorded: dict[str, dict[tuple[tuple[str, str], ...], frozenset[str] | None]]

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> Shapes:
        """Work out what is recorded; series that read themselves take more than one round."""
        recording = [rule for rule in rules if rule.record]
        shapes = cls({})
        for rule in recording:
            shapes._recorded.setdefault(rule.record, {})[_static(rule)] = _NOTHING
        changed = True
        while changed:
            changed = False
            for rule in recording:
                before = shapes._recorded[rule.record][_static(rule)]
                found = shapes.of_expression(rule.expression)
                if before is None:
                    continue
                after = None if found is None else before | found.labels | rule.labels.keys()
                if after != before:
                    shapes._recorded[rule.record][_static(rule)] = after
                    changed = True
        return shapes

    def records(self, name: str) -> bool:
        """Whether a rule at hand records a series of that name."""
        return name in self._recorded

    def recorded_as(self, selector: VectorSelector) -> bool:
        """Whether a rule at hand records what a selector asks for."""
        name, pinned = name_of(selector), equal_matchers(selector)
        if not known.is_recorded(name) and known.exported_labels(name) is not None:
            return True
        return any(compatible(pinned, static) for static in self._recorded[name])

    def of_expression(self, node: Expr) -> Shape | None:
        """The shape, or None if a part of it is unknown. Scalars have no labels."""
        node = bare(node)
        if is_scalar(node):
            return Shape(_NOTHING)
        match node:
            case VectorSelector():
                return self._selected(node)
            case MatrixSelector():
                return self._selected(node.vector_selector)
            case UnaryExpr() | SubqueryExpr():
                return self.of_expression(node.expr)
            case AggregateExpr():
                return self._aggregated(node)
            case Call():
                return self._called(node)
            case BinaryExpr():
                return self._combined(node)
            case _:
                return None

    def _selected(self, selector: VectorSelector) -> Shape | None:
        name, pinned = name_of(selector), equal_matchers(selector)
        pinned.pop("__name__", None)
        if name not in self._recorded:
            exported = known.exported_labels(name)
            return None if exported is None else Shape(exported, pinned)
        entries = {
            static: names
            for static, names in self._recorded[name].items()
            if compatible(pinned, static)
        }
        # What is scraped as well, such as everybody's policy digest, has those labels too.
        exported = None if known.is_recorded(name) else known.exported_labels(name)
        every = exported or _NOTHING
        for names in entries.values():
            if names is None:
                return None
            every |= names
        statics = [dict(static) for static in entries]
        first = statics[0] if statics and exported is None else {}
        shared = {
            label: value
            for label, value in first.items()
            if all(static.get(label) == value for static in statics)
        }
        return Shape(every | pinned.keys(), {**shared, **pinned})

    def _aggregated(self, node: AggregateExpr) -> Shape | None:
        inner = self.of_expression(node.expr)
        if inner is None or str(node.op) in _PICKING:
            return inner
        given = node.modifier.labels if node.modifier else []
        if node.modifier and node.modifier.type == AggModifierType.Without:
            return inner.only(inner.labels - set(given))
        shape = inner.only(given)
        if str(node.op) == "count_values" and isinstance(node.param, StringLiteral):
            return Shape(shape.labels | {node.param.val}, shape.fixed)
        return shape

    def _called(self, node: Call) -> Shape | None:
        name = node.func.name
        if name == "vector":
            return Shape(_NOTHING)
        if name in ("absent", "absent_over_time"):
            inside = bare(node.args[0])
            inside = inside.vector_selector if isinstance(inside, MatrixSelector) else inside
            pinned = equal_matchers(inside) if isinstance(inside, VectorSelector) else {}
            return Shape(frozenset(pinned), pinned)
        vectors = [arg for arg in node.args if not is_scalar(arg) and not _is_text(arg)]
        inner = self.of_expression(vectors[0]) if vectors else Shape(_NOTHING)
        if inner is None or name not in ("label_replace", "label_join"):
            return inner
        texts = [arg.val for arg in node.args[1:] if isinstance(arg, StringLiteral)]
        fixed = {label: value for label, value in inner.fixed.items() if label != texts[0]}
        if name == "label_replace" and not texts[2]:
            fixed[texts[0]] = texts[1]
        return Shape(inner.labels | {texts[0]}, fixed)

    def _combined(self, node: BinaryExpr) -> Shape | None:
        if is_scalar(node.lhs):
            return self.of_expression(node.rhs)
        left = self.of_expression(node.lhs)
        if is_scalar(node.rhs) or left is None:
            return left
        right = self.of_expression(node.rhs)
        if right is None:
            return None if str(node.op) not in ("and", "unless") else left
        if str(node.op) == "or":
            shared = dict(left.fixed.items() & right.fixed.items())
            return Shape(left.labels | right.labels, shared)
        if str(node.op) in SETS:
            return left
        return _joined(node.modifier, left, right)


def origin(node: Expr) -> Origin | None:
    """Where an expression's value comes from unchanged, if it does from one series."""
    node = bare(node)
    match node:
        case VectorSelector():
            return Origin(name_of(node), equal_matchers(node).get("limit", ""))
        case MatrixSelector():
            return origin(node.vector_selector)
        case AggregateExpr() if str(node.op) in _PASSING:
            return origin(node.expr)
        case Call() if node.func.name in _PASSING:
            vectors = [arg for arg in node.args if not is_scalar(arg) and not _is_text(arg)]
            return origin(vectors[0]) if len(vectors) == 1 else None
        case SubqueryExpr():
            return origin(node.expr)
        case BinaryExpr() if str(node.op) in ("and", "unless", ">", "<", ">=", "<=", "!=", "=="):
            returns_bool = node.modifier is not None and node.modifier.return_bool
            return None if returns_bool or is_scalar(node.lhs) else origin(node.lhs)
        case BinaryExpr() if str(node.op) == "-" and _is_now(node.lhs):
            since = origin(node.rhs)
            return Origin(since.metric, since.limit, age=True) if since else None
        case _:
            return None


def matching_labels(modifier: BinModifier | None, left: Shape, right: Shape) -> frozenset[str]:
    """The labels by which the two sides of an operator are matched."""
    every = left.labels | right.labels
    if modifier is None or modifier.matching is None:
        return every
    given = frozenset(modifier.matching.labels)
    return given if modifier.matching.type == LabelModifierType.Include else every - given


def _joined(modifier: BinModifier | None, left: Shape, right: Shape) -> Shape:
    card = modifier.card if modifier else VectorMatchCardinality.OneToOne
    brought = frozenset((modifier.group_labels if modifier else None) or ())
    if card == VectorMatchCardinality.ManyToOne:
        return Shape(left.labels | brought, left.fixed)
    if card == VectorMatchCardinality.OneToMany:
        return Shape(right.labels | brought, right.fixed)
    return left.only(matching_labels(modifier, left, right))


def _static(rule: Rule) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(rule.labels.items()))


def _is_text(node: Expr) -> bool:
    return isinstance(node, StringLiteral)


def _is_now(node: Expr) -> bool:
    inner = bare(node)
    return isinstance(inner, Call) and inner.func.name == "time"

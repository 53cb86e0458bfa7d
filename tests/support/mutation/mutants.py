"""The faults that are put into a module, one at a time. Pure.

Left alone is what decides nothing: docstrings, annotations, decorators, texts, what is logged.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any, Final

_COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_TWINS: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
#: Fields of a node that decide nothing.
_LEFT_ALONE: Final = frozenset({"annotation", "returns", "decorator_list"})
#: Calls whose arguments decide nothing.
_WORDLESS: Final = frozenset({"_log", "field", "assert_never", "TypeVar", "cast"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault.

    Attributes:
        number: counts those of a module, in the order of the source.
        change: what it is, e.g. ``a < b -> a <= b``.
        code: the whole module with it.
    """

    number: int
    line: int
    change: str
    code: CodeType


@dataclass(frozen=True, slots=True)
class _Edit:
    """``holder.name`` becomes ``new``; ``shown`` is where that can be seen, or says it in words."""

    node: ast.AST
    holder: ast.AST
    name: str
    new: Any
    shown: ast.AST | tuple[str, str]


def count(source: str) -> int:
    """How many there are."""
    return sum(1 for _ in _of_children(ast.parse(source)))


def mutants(source: str, path: str, numbers: Collection[int] | None = None) -> Iterator[Mutant]:
    """All, or those with these numbers."""
    tree = ast.parse(source)
    for number, (line, change) in enumerate(_made(tree)):
        if numbers is None or number in numbers:
            code = compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)
            yield Mutant(number, line, change, code)


def changes(source: str) -> list[str]:
    """What all of them change."""
    return [change for _, change in _made(ast.parse(source))]


def _made(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each in turn, as long as one looks at it: its line, and what it changes."""
    for edit in list(_of_children(tree)):
        shown = edit.shown
        before = shown[0] if isinstance(shown, tuple) else _text(shown)
        old = getattr(edit.holder, edit.name)
        setattr(edit.holder, edit.name, edit.new)
        after = shown[1] if isinstance(shown, tuple) else _text(shown)
        yield getattr(edit.node, "lineno", 0), f"{before} -> {after}"
        setattr(edit.holder, edit.name, old)


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


def _of_children(node: ast.AST) -> Iterator[_Edit]:
    for name, value in ast.iter_fields(node):
        if name in _LEFT_ALONE:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _decides_nothing(child):
                yield from _of(child, node, name)
                yield from _of_children(child)


def _of(node: ast.AST, holder: ast.AST, name: str) -> Iterator[_Edit]:
    match node:
        case ast.Compare(ops=[only]):
            for other in _COMPARISONS[type(only)]:
                yield _Edit(node, node, "ops", [other()], node)
        case ast.BoolOp(op=operator, values=values):
            swapped = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield _Edit(node, node, "op", swapped, node)
            for at in range(len(values)):
                rest = values[:at] + values[at + 1 :]
                if len(rest) == 1:
                    yield _instead(node, holder, name, rest[0])
                else:
                    yield _Edit(node, node, "values", rest, node)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield _instead(node, holder, name, operand)
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if not _is_of_text(node):
            yield _Edit(node, node, "op", _OPERATORS[type(operator)](), node)
        case ast.Constant(value=bool() as value):
            yield _instead(node, holder, name, ast.Constant(not value))
        case ast.Constant(value=int() | float() as value):
            yield _instead(node, holder, name, ast.Constant(value + 1))
            yield _instead(node, holder, name, ast.Constant(value - 1))
        case ast.Call(func=ast.Name(id=function) as called) if function in _TWINS:
            yield _Edit(node, called, "id", _TWINS[function], node)
        case ast.comprehension(ifs=ifs, target=target):
            for at, condition in enumerate(ifs):
                new = ifs[:at] + ifs[at + 1 :]
                text = f"for {_text(target)} if {_text(condition)}", f"for {_text(target)}"
                yield _Edit(condition, node, "ifs", new, text)
        case ast.ExceptHandler(body=body) if not isinstance(body[0], ast.Raise):
            text = f"except {_text(node.type) if node.type else ''}: ...", "raise"
            yield _Edit(node, node, "body", [ast.Raise()], text)
        case ast.match_case(pattern=pattern):
            text = f"case {_text(pattern)}", "never"
            yield _Edit(pattern, node, "guard", ast.Constant(False), text)
        case ast.Break():
            yield _instead(node, holder, name, ast.Continue())
        case ast.Continue():
            yield _instead(node, holder, name, ast.Break())
        case (
            ast.Raise()
            | ast.Delete()
            | ast.AugAssign()
            | ast.Expr(value=ast.Call() | ast.Await())
            | ast.Assign(targets=[ast.Attribute() | ast.Subscript()])
            | ast.Return(value=None)
        ):
            yield _instead(node, holder, name, ast.Pass())
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield _Edit(node, node, "value", ast.Constant(None), node)
    if isinstance(node, ast.Call):
        for at, keyword in enumerate(node.keywords):
            if keyword.arg is not None:
                fewer = node.keywords[:at] + node.keywords[at + 1 :]
                text = f"{_text(node.func)}(..., {_text(keyword)})", f"{_text(node.func)}(...)"
                yield _Edit(keyword, node, "keywords", fewer, text)
    if isinstance(node, (ast.If, ast.While, ast.IfExp)) and _is_plain(node.test):
        yield _instead(node.test, node, "test", ast.UnaryOp(ast.Not(), node.test))


def _instead(node: ast.AST, holder: ast.AST, name: str, new: ast.AST) -> _Edit:
    """Another node in its place."""
    ast.copy_location(new, node)
    old = getattr(holder, name)
    value = [new if one is node else one for one in old] if isinstance(old, list) else new
    is_short = isinstance(holder, ast.IfExp | ast.Lambda) or not hasattr(holder, "body")
    return _Edit(node, holder, name, value, holder if is_short else (_text(node), _text(new)))


def _is_plain(test: ast.expr) -> bool:
    """Whether nothing else changes this condition."""
    return isinstance(test, (ast.Name, ast.Call, ast.Attribute, ast.NamedExpr, ast.Subscript))


def _is_of_text(node: ast.AST) -> bool:
    return any(
        isinstance(one, ast.JoinedStr | ast.Constant)
        and not isinstance(getattr(one, "value", ""), int | float)
        for one in ast.iter_child_nodes(node)
    )


def _decides_nothing(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else node
    match call:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(id=name))):
            return name in _WORDLESS
        case ast.Constant(value=str()) | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
    return False

"""Regular expressions of silences: they mean what RE2 means by them, and never take long."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.acks.regex import UnreadableRegexError, compiled, literal, quoted

_ATOMS = st.sampled_from(
    ["a", "b", "/", ".", "[ab]", "[^a]", "[a-c/]", r"\.", r"\d", r"\w", "^", "$"]
)
_PATTERNS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "*?"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)


@given(_PATTERNS, st.text("ab/.0\n", max_size=6))
def test_a_whole_value_matches_as_in_any_other_engine(pattern: str, value: str) -> None:
    # RE2's $ is the end of the value alone, which Python writes \Z.
    oracle = re.compile(f"(?:{pattern.replace('$', chr(92) + 'Z')})", re.ASCII)
    assert compiled(pattern)(value) == bool(oracle.fullmatch(value))


@given(st.text(max_size=20))
def test_a_quoted_value_matches_itself_and_nothing_longer(value: str) -> None:
    assert compiled(quoted(value))(value)
    assert not compiled(quoted(value))(value + "x")


@given(st.text("ab()[]{}|*+?\\^$.-:dwpQ,0129<>P", max_size=12), st.text("ab0", max_size=4))
def test_whatever_somebody_types_is_read_or_refused(pattern: str, value: str) -> None:
    try:
        found = compiled(pattern)(value)
    except UnreadableRegexError:
        return
    try:
        expected = re.compile(f"(?:{pattern.replace('$', chr(92) + 'Z')})", re.ASCII)
    except re.error:
        return  # a brace that Python wants escaped and RE2 does not
    if "$" not in pattern and not re.search(r"\[.*\[|--|\(\?<|[*+?}][+]", pattern):
        assert found == bool(expected.fullmatch(value))


@pytest.mark.parametrize(
    "pattern",
    ["(?i)a", r"\pL", "[[:alpha:]]", r"\bmain", "a)|(?:.*", "(a", "a**", "a{2000}", "(a{999}){999}",
     r"\1", "(?=a)", "[b-a]", "[", r"\Qa\E", "*", "\\", "(" * 5000],
)  # fmt: skip
def test_what_is_not_understood_is_refused_and_never_guessed(pattern: str) -> None:
    with pytest.raises(UnreadableRegexError):
        compiled(pattern)


def test_an_expression_made_to_take_for_ever_does_not() -> None:
    started = time.monotonic()
    for pattern in ("(a+)+b", "(a|a)*b", "((((a*)*)*)*)*b", "(a?){30}a{30}b", "(.*a){20}b"):
        assert not compiled(pattern)("a" * 200)
    assert time.monotonic() - started < 5


def test_plain_text_is_told_from_an_expression() -> None:
    assert literal("drawdown/main") == "drawdown/main"
    assert [literal(pattern) for pattern in ("a.b", "a|b", ".+", "", "a\\")] == [None] * 5

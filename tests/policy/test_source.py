"""No file whatsoever, sensible or not, makes the loader fail in a way of its own."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from risk_policy import (
    InvalidPolicyError,
    Problem,
    default_policy_path,
    load_policy,
    parse_policy,
    written_keys,
)
from risk_policy.model.policy import Alerting

Refused = Callable[..., tuple[Problem, ...]]
DEFAULT = default_policy_path().read_bytes()
GATE = "[alerting.gate]\nlease_seconds = "


def test_a_byte_order_mark_is_accepted_and_counts_for_the_digest() -> None:
    data = b"\xef\xbb\xbf" + DEFAULT
    policy = parse_policy(data, environ={})
    assert policy.digest == hashlib.sha256(data).hexdigest()
    assert policy.alerting == parse_policy(DEFAULT, environ={}).alerting


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
def test_bytes_that_are_not_utf8_are_named_by_position_and_line(
    mark: bytes, refused: Refused
) -> None:
    (problem,) = refused(mark + "[alerting]\n# Größe\n".encode("latin-1"))
    assert problem.line == 2
    assert problem.message == (
        f"is not UTF-8 at byte {len(mark) + 15} (0xf6); save the file as UTF-8"
    )


@pytest.mark.parametrize("digits", [400, 4300, 5000, 100_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_of_any_length_is_refused_by_its_key(
    sign: str, digits: int, refused: Refused
) -> None:
    (problem,) = refused(GATE + sign + "9" * digits)
    assert (problem.key, problem.line) == ("alerting.gate.lease_seconds", 2)
    assert "number" in problem.message
    assert len(problem.value) < 100


def test_an_integer_that_python_reads_but_cannot_print_is_refused_by_its_key(
    refused: Refused,
) -> None:
    (problem,) = refused(GATE + "0x" + "f" * 9000)
    assert (problem.key, problem.line) == ("alerting.gate.lease_seconds", 2)


@pytest.mark.parametrize(
    "text",
    [
        "[alerting]\nx = " + "[" * 5000,
        "[alerting]\nx = " + "[" * 5000 + "]" * 5000,
        "[alerting]\nx = " + "[" * 200 + "]" * 200,
        "[alerting]\nx = " + "{a=" * 5000 + "1" + "}" * 5000,
        "[alerting]\nx" + ".a" * 5000 + " = 1",
        "#\n[alerting" + ".a" * 5000 + "]\nx = 1",
    ],
    ids=["open", "lists", "few lists", "tables", "dotted key", "header"],
)
def test_deep_nesting_is_refused_on_its_line(text: str, refused: Refused) -> None:
    (problem,) = refused(text)
    assert problem.line == 2
    assert "nested too deeply" in problem.message


def test_a_file_far_too_long_is_not_even_parsed(refused: Refused, tmp_path: Path) -> None:
    (problem,) = refused(b"a." * 400_000)
    assert "is larger than 256 KiB" in problem.message
    with pytest.raises(InvalidPolicyError, match="is larger than 256 KiB"):
        load_policy(Path("/dev/zero"))


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidPolicyError, match="cannot be read"):
        load_policy(Path("policy\0.toml"))


def test_a_key_that_needs_quotes_is_shown_with_them_and_found(refused: Refused) -> None:
    (problem,) = refused('[alerting]\n\n"a.b\\nc" = 1\n')
    assert (problem.key, problem.line) == ('alerting."a.b\\nc"', 3)


def test_written_keys_are_those_of_the_file_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_bytes(
        b"\xef\xbb\xbf[alerting.cooldown]\nper_category = { position = 30 }\n"
        b"[alerting.gate]\n# lease_seconds = 1\nlease_seconds = 4\n"
    )
    assert written_keys(path) == {
        "alerting.cooldown.per_category.position": 2,
        "alerting.gate.lease_seconds": 5,
    }


def names(model: type[BaseModel]) -> list[str]:
    """Every name of a key or table, anywhere."""
    found: list[str] = []
    for name, field in model.model_fields.items():
        found.append(name)
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found += names(annotation)
    return found


def toml(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        inside = ", ".join(f"{toml(name)} = {toml(child)}" for name, child in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{', '.join(toml(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value) if isinstance(value, float | int) else str(value)


texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(
        ["${PW}", "x${PW}y", "${", "${}", "127.0.0.1:9464", "http://h/", "a@b.c", "{{"]
    ),
)
values = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(10**400), 10**400),
        st.integers(-5, 5000),
        st.floats(),
        texts,
        st.dates(),
        st.times(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.sampled_from(sorted(set(names(Alerting)))), texts), inner, max_size=3
        ),
    ),
    max_leaves=10,
)


def tables(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    """A table with some of its keys, rightly or wrongly filled."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        is_table = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        fields[name] = st.one_of(tables(annotation), values) if is_table else values
    return st.fixed_dictionaries({}, optional=fields)


SECRET = "what-nobody-may-see"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(Alerting))
def test_whatever_stands_in_the_tables_is_used_or_explained(tree: dict[str, Any]) -> None:
    data = f"alerting = {toml(tree)}\n".encode()
    assert tomllib.loads(data.decode()).keys() == {"alerting"}
    try:
        policy = parse_policy(data, environ={"PW": SECRET})
    except InvalidPolicyError as error:
        assert error.problems
        assert SECRET not in str(error)
        assert all(p.key.startswith("alerting") or p.message for p in error.problems)
        assert all(len(p.value) < 100 and p.line == 1 for p in error.problems)
    else:
        assert policy.digest == hashlib.sha256(data).hexdigest()


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf")
@example(b"\xff\xfe")
@example(b"\x00")
def test_no_bytes_make_the_loader_fail_in_another_way(data: bytes) -> None:
    try:
        parse_policy(data, environ={})
    except InvalidPolicyError as error:
        assert error.problems


@settings(deadline=None)
@given(st.data())
def test_no_damage_to_the_committed_policy_makes_the_loader_fail_in_another_way(
    data: st.DataObject,
) -> None:
    start = data.draw(st.integers(0, len(DEFAULT)))
    end = data.draw(st.integers(start, min(start + 40, len(DEFAULT))))
    inserted = data.draw(
        st.one_of(st.binary(max_size=8), st.sampled_from([b"9" * 5000, b"[" * 5000, b"${X}", b'"']))
    )
    try:
        parse_policy(DEFAULT[:start] + inserted + DEFAULT[end:], environ={})
    except InvalidPolicyError as error:
        assert error.problems

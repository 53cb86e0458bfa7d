"""What `./dev mutate` goes by is there; how it makes faults. It runs by itself: it takes hours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mutation.mutants import changes, count, mutants
from mutation.report import Tried, explained, markdown, unexplained
from mutation.session import Verdict
from mutation.table import AREAS, Area

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("area", AREAS, ids=lambda area: area.title)
def test_every_module_and_every_test_of_the_table_is_there(area: Area) -> None:
    for path in (*area.modules, *area.tests):
        file, _, name = path.partition("::")
        assert (ROOT / file).is_file(), path
        assert f"def {name}" in (ROOT / file).read_text("utf-8"), path
    assert set(area.samples) <= set(area.modules)
    assert all(count((ROOT / path).read_text("utf-8")) > 0 for path in area.modules)


def test_a_survivor_that_is_explained_can_still_be_made() -> None:
    gone = []
    for module in {module for module, _ in explained()}:
        made = set(changes((ROOT / module).read_text("utf-8")))
        gone += [key for key in explained() if key[0] == module and key[1] not in made]
    assert not gone, "survivors.toml explains what no longer is"


def test_a_mutant_is_one_small_fault() -> None:
    assert changes("x = a < b") == ["a < b -> a <= b", "a < b -> a >= b"]
    assert changes("x = not a") == ["x = not a -> x = a"]
    assert changes("f(a, b=c)") == ["f(a, b=c) -> pass", "f(..., b=c) -> f(...)"]
    assert changes("x = min(a, 1)") == [
        "min(a, 1) -> max(a, 1)", "min(a, 1) -> min(a, 2)", "min(a, 1) -> min(a, 0)"
    ]  # fmt: skip
    assert changes("for x in y:\n    break") == ["break -> continue"]
    assert changes("def f():\n    raise E") == ["raise E -> pass"]
    assert changes("def f(a):\n    return a") == ["return a -> return None"]
    assert changes("x = a and b") == [
        "a and b -> a or b", "x = a and b -> x = b", "x = a and b -> x = a"
    ]  # fmt: skip
    assert changes("try:\n    f\nexcept E:\n    g") == ["except E: ... -> raise"]
    assert changes("match a:\n    case 'b':\n        c") == ["case 'b' -> never"]


def test_texts_logging_and_annotations_are_left_alone() -> None:
    assert changes('"""1 < 2"""\nfrom a import b\n_log.error("%d", 1)\nx: Literal[1]') == []


def test_a_mutant_does_what_it_says_and_nothing_else() -> None:
    source = "def f(a, b):\n    return a < b or a > 10"
    done = []
    for one in mutants(source, "module.py"):
        found: dict[str, object] = {}
        exec(one.code, found)  # noqa: S102 - the few lines above
        made = found["f"]
        assert callable(made)
        done.append((one.change.partition(" -> ")[2], made(1, 1), made(1, 2), made(11, 2)))
    assert ("a <= b", True, True, True) in done
    assert ("a >= b", True, False, True) in done
    assert ("return a < b", False, True, False) in done
    assert ("a > 11", False, True, False) in done
    assert len({(one[0]) for one in done}) == len(done) == count(source)


def test_the_page_counts_and_names_what_survived() -> None:
    verdicts = [
        Verdict("a.py", 0, 7, "x < y -> x <= y", killed=False, by=""),
        *(Verdict("a.py", number, 9, "x -> y", killed=True, by="t") for number in range(1, 4)),
    ]
    results = {"a.py": Tried("a.py", "", 5, verdicts)}
    page = markdown([Area("One", ("a.py",), ())], results)
    assert "| `a.py` | 5 | 4 | 3 | 1 | 75.0% |" in page
    assert (
        "* line 7: `x < y -> x <= y`<br>Open: none of the tests that are tried here notices it."
        in page
    )
    assert unexplained(results) == ["a.py:7 x < y -> x <= y"]
    assert re.search(r"^\| 5 \| 4 \| 3 \| 1 \| 75.0% \|$", page, re.MULTILINE)

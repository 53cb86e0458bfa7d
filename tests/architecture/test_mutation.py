"""What `./dev mutate` goes by is there; how it makes faults. It runs by itself: it takes hours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mutation.mutants import changes, count, mutants
from mutation.report import Tried, explained, keep, kept, markdown, unexplained, untried
from mutation.session import Verdict
from mutation.table import AREAS, Area

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "tests" / "support" / "mutation" / "results"


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
    survivor = Verdict("a.py", 0, 7, "x < y -> x <= y", killed=False, by="")
    results = {"a.py": Tried("a.py", "", 5, {1, 2, 3}, [survivor])}
    page = markdown([Area("One", ("a.py", "b.py"), ())], results)
    assert "| `a.py` | 5 | 4 | 3 | 1 | 75.0% |" in page
    assert "| `b.py` | | | | | not tried as it is now |" in page
    assert (
        "* line 7: `x < y -> x <= y`<br>Open: none of the tests that are tried here notices it."
        in page
    )
    assert unexplained(results) == ["a.py:7 x < y -> x <= y"]
    assert re.search(r"^\| 5 \| 4 \| 3 \| 1 \| 75.0% \|$", page, re.MULTILINE)


def test_what_was_found_is_kept_for_the_source_that_it_was_found_of(tmp_path: Path) -> None:
    module, folder = tmp_path / "a.py", tmp_path / "results"
    module.write_text("x = a < b < c or d > 1", encoding="utf-8")
    tried = untried(tmp_path, "a.py")
    for number in (5, 0, 2, 1):
        tried.add(Verdict("a.py", number, 1, 'a "b" -> \\ é', killed=number != 5, by=""))
    keep(tried, folder)
    again = kept(folder, untried(tmp_path, "a.py"))
    assert again == tried
    assert (again.killed, [one.change for one in again.survived]) == ({0, 1, 2}, ['a "b" -> \\ é'])
    (only,) = folder.iterdir()
    assert '"0-2"' in only.read_text("utf-8")
    again.add(Verdict("a.py", 5, 1, "", killed=True, by="t"))
    assert (again.killed, again.survived) == ({0, 1, 2, 5}, [])

    module.write_text("x = a < b < c or d > 2", encoding="utf-8")
    assert kept(folder, untried(tmp_path, "a.py")) is None


def test_every_result_is_of_a_module_of_the_table() -> None:
    wanted = {path.replace("/", ".") + ".toml" for area in AREAS for path in area.modules}
    assert {path.name for path in RESULTS.glob("*")} <= wanted

"""`./dev test`: both halves run beside each other, and what fails in either is not lost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DEV = Path(__file__).parents[2] / "dev"
#: In place of pytest: says what it is asked, notes a failure where it is told, and ends as wished.
STAND_IN = """#!/bin/sh
case "$*" in
*--last-failed*) half=again status=$AGAIN ;;
*"not stack"*) half=main status=$MAIN ;;
*"-m stack"*) half=stack status=$STACK ;;
*) half=fuzz status=$FUZZ ;;
esac
case "$*" in *cache_dir=*) cache=.pytest_cache/stack ;; *) cache=.pytest_cache ;; esac
mkdir -p "$cache/v/cache"
[ "$status" -ne 1 ] || [ -n "${SILENT:-}" ] || echo "$FAILED" >"$cache/v/cache/lastfailed"
ignored=$(sed -n 's/^SigIgn:.*\\(.\\)$/\\1/p' /proc/$$/status)
# SIGINT and SIGQUIT. A hang-up may be ignored by whoever runs all this.
echo "$half at $(nice), ignoring $((0x$ignored & 6)): $*"
exit "$status"
"""


class Dev:
    """What `./dev test` does after its checks, with something else for pytest."""

    def __init__(self, folder: Path) -> None:
        (folder / "venv/bin").mkdir(parents=True)
        (folder / "venv/bin/python").symlink_to(sys.executable)
        pytest_file = folder / "venv/bin/pytest"
        pytest_file.write_text(STAND_IN)
        pytest_file.chmod(0o755)
        text = DEV.read_text()
        cut = re.search(r"^run_tests\(\) \{$.*?(?=^# The trading runtimes)", text, re.M | re.S)
        named = re.findall(r"^\w+_cache=.*$", text, re.M)
        assert cut
        assert len(named) == 2
        say = 'venv=venv\nsay() {\n    echo "dev: $*" >&2\n}'
        self._program = "\n".join(("set -eu", *named, say, cut[0], 'run_tests "$@"'))
        self._folder = folder
        self.failed = ["one.py::test_it"]

    def test(self, *arguments: str, **ends: int) -> subprocess.CompletedProcess[str]:
        """Run it; ``main``, ``stack``, ``fuzz`` and ``again`` end as told, with 0 otherwise."""
        given = dict.fromkeys(("MAIN", "STACK", "FUZZ", "AGAIN"), "0")
        given |= {name.upper(): str(status) for name, status in ends.items()}
        given["FAILED"] = json.dumps(dict.fromkeys(self.failed, True))
        return subprocess.run(
            ["sh", "-c", self._program, "dev", *arguments],
            cwd=self._folder,
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def dev(tmp_path: Path) -> Dev:
    return Dev(tmp_path)


def test_what_measures_real_time_goes_before_the_rest_and_can_be_interrupted(dev: Dev) -> None:
    done = dev.test()
    assert (done.returncode, done.stderr) == (0, "dev: meanwhile, on real servers in real time:\n")
    main, stack, fuzz = done.stdout.splitlines()
    own = os.nice(0)
    assert main.startswith(f"main at {min(own + 5, 19)}, ")
    for line, half in ((stack, "stack"), (fuzz, "fuzz")):
        assert line.startswith(f"{half} at {own}, ignoring 0: ")
    assert "--ignore tests/stack/test_api_fuzz.py" in stack
    assert "tests/stack/test_api_fuzz.py" in fuzz


def test_with_arguments_the_halves_follow_each_other(dev: Dev) -> None:
    done = dev.test("-k", "one")
    assert done.returncode == 0
    assert "meanwhile" not in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["main", "stack"]
    assert all(line.endswith("-k one") for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("ends", "caches"),
    [
        ({"main": 1}, [".pytest_cache"]),
        ({"stack": 1}, [".pytest_cache/stack"]),
        ({"fuzz": 1}, [".pytest_cache/stack"]),
        ({"main": 1, "stack": 1}, [".pytest_cache", ".pytest_cache/stack"]),
    ],
)
def test_what_failed_in_either_half_is_tried_once_more(
    dev: Dev, ends: dict[str, int], caches: list[str]
) -> None:
    done = dev.test(**ends)
    again = [line for line in done.stdout.splitlines() if line.startswith("again")]
    assert [line.partition("cache_dir=")[2].split()[0] for line in again] == caches
    assert done.returncode == 0
    assert "these pass by themselves" in done.stderr
    assert dev.test(**ends, again=1).returncode == 1


def test_many_of_one_file_have_one_cause_and_many_files_have_more(dev: Dev) -> None:
    dev.failed = [f"one.py::test_{number}" for number in range(8)]
    assert dev.test(stack=1).returncode == 0
    dev.failed = [f"{number}.py::test_it" for number in range(4)]
    done = dev.test(stack=1)
    assert (done.returncode, "again at" in done.stdout) == (1, False)
    assert "tests of 4 files failed" in done.stderr


@pytest.mark.parametrize(
    "ends",
    [{"main": 2}, {"stack": 2}, {"fuzz": 3}, {"stack": 2, "fuzz": 1}, {"main": 3, "fuzz": 1}],
)
def test_where_nothing_was_tested_nothing_is_tried_again(dev: Dev, ends: dict[str, int]) -> None:
    done = dev.test(**ends)
    assert done.returncode == 1
    assert "no testing" in done.stderr
    assert "again at" not in done.stdout


def test_a_half_that_failed_without_a_test_that_did_has_failed(
    dev: Dev, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SILENT", "yes")
    done = dev.test(stack=1)
    assert (done.returncode, "again at" in done.stdout) == (1, False)


def test_a_half_without_tests_has_not_failed(dev: Dev) -> None:
    assert dev.test("-k", "one", main=5).returncode == 0
    assert dev.test("-k", "one", stack=5).returncode == 0

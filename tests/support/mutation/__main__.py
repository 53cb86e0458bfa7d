"""`./dev mutate [MODULE ...]`: exit status 1 if a module has less killed than is wanted."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from mutation.mutants import count
from mutation.report import explained, keep, kept, markdown, unexplained, untried
from mutation.session import Session, Target, Verdict
from mutation.table import AREAS, WANTED, Area

_ROOT = Path(__file__).parents[3]
_PAGE = _ROOT / "docs" / "mutation.md"
_RESULTS = Path(__file__).with_name("results")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try mutants; the exit status."""
    options = _options(arguments)
    known = {path: area for area in AREAS for path in area.modules}
    paths = [path for path in known if not options.modules or _is_meant(path, options.modules)]
    if not paths:
        print("mutate: no such module; --list shows them", file=sys.stderr)
        return 2
    if options.list:
        for path in paths:
            print(f"{count((_ROOT / path).read_text('utf-8')):6} {path}")
        return 0
    for area in AREAS:
        chosen = [path for path in area.modules if path in paths]
        if options.one_session:
            _try(area, chosen, options)
        elif chosen and not options.report:
            # What one session imports and starts is not there for the next.
            command = [sys.executable, "-m", "mutation", "--one-session", *_passed_on(options)]
            subprocess.run([*command, *chosen], cwd=_ROOT, check=True)
    if options.one_session:
        return 0
    results = {
        path: tried for path in known if (tried := kept(_RESULTS, untried(_ROOT, path))) is not None
    }
    if options.write:
        _PAGE.write_text(markdown(AREAS, results), encoding="utf-8")
    for path in known.keys() - results.keys():
        print(f"not tried as it is now: {path}")
    for text in unexplained(results):
        print(f"survived: {text}")
    few = [path for path in paths if path not in results or results[path].ratio < WANTED]
    for path in few:
        print(f"less than {WANTED:.0%} killed: {path}")
    return 1 if few else 0


def _try(area: Area, paths: Sequence[str], options: argparse.Namespace) -> None:
    targets, found = [], {}
    for path in paths:
        now = untried(_ROOT, path)
        before = kept(_RESULTS, now) if options.again else None
        numbers = _chosen(path, options.sample or area.samples.get(path, 0))
        found[path] = before or now
        if before is not None:
            why = explained()
            open_ones = {one.number for one in before.survived if (path, one.change) not in why}
            numbers = tuple(sorted(open_ones.union(numbers) - (before.numbers - open_ones)))
        if numbers:
            keep(found[path], _RESULTS)
            targets.append(Target(path, numbers))
    if not targets:
        return
    print(f"{area.title}: {sum(len(one.numbers) for one in targets)} mutants", flush=True)

    def tell(verdict: Verdict) -> None:
        found[verdict.module].add(verdict)
        keep(found[verdict.module], _RESULTS)
        mark = "." if verdict.killed else f"\n{verdict.module}:{verdict.line} {verdict.change}\n"
        print(mark, end="", flush=True)

    with tempfile.TemporaryDirectory(prefix="riskwarden-mutate-") as folder:
        given = [f"--basetemp={folder}/pytest", "-q", "-s", "-p", "no:cacheprovider"]
        given += ["--timeout=60", "-n", "0"]
        pytest.main([*given, *area.tests], plugins=[Session(targets, tell)])
    print(flush=True)


def _chosen(path: str, sample: int) -> tuple[int, ...]:
    """All, or a sample that is the same whenever it is drawn of the same source; a larger one
    holds every smaller one.
    """
    numbers = list(range(count((_ROOT / path).read_text("utf-8"))))
    random.Random(path).shuffle(numbers)
    return tuple(sorted(numbers[: sample or None]))


def _is_meant(path: str, wanted: Sequence[str]) -> bool:
    return any(path == one or path.endswith(f"/{one}") or f"/{one}/" in path for one in wanted)


def _passed_on(options: argparse.Namespace) -> list[str]:
    again = ["--again"] if options.again else []
    return again + (["--sample", str(options.sample)] if options.sample else [])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev mutate", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="e.g. kill/switch.py or kill")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of each module")
    parser.add_argument("--again", action="store_true", help="not what was killed or is explained")
    parser.add_argument("--report", action="store_true", help="try none, make the report anew")
    parser.add_argument("--write", action="store_true", help="write docs/mutation.md")
    parser.add_argument("--list", action="store_true", help="the modules, and how many mutants")
    parser.add_argument("--one-session", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())

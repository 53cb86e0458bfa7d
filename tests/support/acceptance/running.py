"""Run tests by pytest, tell how it goes, and read back what became of each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from acceptance.declared import ROOT
from acceptance.looked import Ran
from acceptance.recorder import OPTION
from acceptance.thens import PROPERTY

Say = Callable[[str], None]
_LOOK_SECONDS: Final = 0.5
_TELL_SECONDS: Final = 15.0


def run(
    tests: Sequence[str],
    folder: Path,
    name: str,
    processes: int,
    say: Say,
    *,
    root: Path = ROOT,
) -> dict[str, Ran]:
    """Run some, which are named from a folder, a file at a time where several processes share them.

    What pytest itself says goes to a file of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place, log = folder / f"{name}.jsonl", folder / f"{name}.log"
    place.write_text("", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "acceptance.recorder", OPTION, str(place)]
    command += ["--config-file", str(ROOT / "pyproject.toml"), "--rootdir", str(root)]
    command += ["--numprocesses", str(processes), "--dist", "loadfile", *tests]
    here = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH", ""))))
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            command, cwd=root, stdout=stream, stderr=stream, env={**os.environ, "PYTHONPATH": path}
        ) as child,
        place.open(encoding="utf-8") as results,
    ):
        try:
            found = list(_followed(child, results, say))
        except BaseException:
            child.terminate()
            raise
    if child.returncode not in (0, 1):
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        say(f"pytest ended with {child.returncode}: {' / '.join(last)}")
    return together(found, tests)


def kept(folder: Path, names: Sequence[str], tests: Sequence[str]) -> dict[str, Ran]:
    """What became of tests in earlier runs of these names; of one that was not run, nothing."""
    ran: dict[str, Ran] = {}
    for name in names:
        place = folder / f"{name}.jsonl"
        lines = place.read_text(encoding="utf-8").splitlines() if place.is_file() else []
        ran |= together([json.loads(line) for line in lines], tests)
    return ran


def kept_since(folder: Path, names: Sequence[str]) -> datetime | None:
    """When the first of these runs ended; nothing if there was none."""
    places = [folder / f"{name}.jsonl" for name in names]
    ended = [place.stat().st_mtime for place in places if place.is_file()]
    return datetime.fromtimestamp(min(ended), UTC) if ended else None


def _followed(child: subprocess.Popen[bytes], results: Any, say: Say) -> Iterator[dict[str, Any]]:
    """What is written, as it is written."""
    began = told_at = time.monotonic()
    passed = failed = 0
    while True:
        is_over = child.poll() is not None
        for line in results:
            one = json.loads(line)
            passed += one["outcome"] == "passed"
            failed += one["outcome"] == "failed"
            for text in _worth_telling(one):
                say(text)
                told_at = time.monotonic()
            yield one
        if is_over:
            say(f"{passed} passed, {failed} failed, {time.monotonic() - began:.0f} s")
            return
        if time.monotonic() - told_at > _TELL_SECONDS:
            told_at = time.monotonic()
            say(f"{passed} passed, {failed} failed, after {told_at - began:.0f} s")
        time.sleep(_LOOK_SECONDS)


def _worth_telling(one: dict[str, Any]) -> Iterator[str]:
    for key, held, seen in _saw(one):
        yield f"{'ok  ' if held else 'FAIL'} {key}: {seen}"
    if one["outcome"] == "failed":
        yield f"FAIL {one['test']}: {' '.join(one['why'].split())[:300]}"


def together(found: Sequence[dict[str, Any]], tests: Sequence[str]) -> dict[str, Ran]:
    """What became of each test that is named; of one that was not run, nothing is there."""
    ran: dict[str, Ran] = {}
    for one in found:
        name = one["test"].partition("[")[0]
        # What cannot even be read fails for every test in it.
        names = [name] if "::" in name else [each for each in tests if each.startswith(f"{name}::")]
        for each in names:
            ran[each] = _added(ran.get(each, Ran()), one)
    return {name: ran[name] for name in tests if name in ran}


def _added(before: Ran, one: dict[str, Any]) -> Ran:
    after = replace(before, seconds=before.seconds + one["seconds"], saw=(*before.saw, *_saw(one)))
    if one["outcome"] == "passed":
        return replace(after, cases=before.cases + 1)
    if one["outcome"] == "skipped":
        return replace(after, skipped=before.skipped or one["why"])
    return replace(after, trouble=before.trouble or one["why"] or "it failed")


def _saw(one: dict[str, Any]) -> Iterator[tuple[str, bool, str]]:
    for name, value in one["properties"]:
        if name == PROPERTY:
            yield value["key"], value["held"], value["seen"]

"""One pytest process that tries the mutants of some modules, each in a fork of its own.

It imports and collects once. A first fork runs all tests, sees which of them reach which line and
how long they take. Then each mutant gets a fork, in which the functions concerned have the mutant's
code; the tests that reach its line run there, the quickest first, until one fails. What is decided
while a module is imported cannot be changed afterwards: such a mutant gets a process of its own.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import inspect
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final, TypeAlias

import nursery
import pytest

from mutation.mutants import Mutant, mutants
from mutation.reach import MOST_LINES, traced

#: A test that computes for so much longer than it took without a mutant has failed.
_SLOWER: Final = 8
_SECONDS: Final = 10.0
#: Of the tests that a new process runs, which are all that reach the module, the quickest.
_AT_IMPORT: Final = 120
_EXAMPLES: Final = 25


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one mutant: killed by a test, or survived."""

    module: str
    number: int
    line: int
    change: str
    killed: bool
    by: str


@dataclass(frozen=True, slots=True)
class Target:
    """A module, e.g. ``receivers/risk_receivers/kill/switch.py``, and which of its mutants."""

    path: str
    numbers: tuple[int, ...]

    @property
    def name(self) -> str:
        """As it is imported: without the component's folder."""
        return ".".join(Path(self.path).with_suffix("").parts[1:])


#: What is to be set: of which object, its name, the value.
_Patch: TypeAlias = list[tuple[Any, str, Any]]


@dataclass(slots=True)
class _Reach:
    """What the tests reach when nothing is wrong."""

    seconds: dict[str, float]
    lines: dict[str, dict[str, list[int]]]  # test, path
    failed: list[str]


class Session:
    """The plugin. ``tell`` is given every verdict."""

    def __init__(self, targets: Sequence[Target], tell: Callable[[Verdict], None]) -> None:
        self._targets = targets
        self._tell = tell
        self._failed = False
        self._items: dict[str, pytest.Item] = {}
        self._base = Path()
        self._functions: dict[CodeType, list[FunctionType]] = {}
        self._seconds: dict[str, float] = {}
        self._importable: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember a failure."""
        self._failed = self._failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running the tests once."""
        self._base = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        self._items = {item.nodeid: item for item in session.items}
        for item in session.items:
            _without_shrinking(item)
        for target in self._targets:
            importlib.import_module(target.name)
        # Services that tests start are forks of the test, and so have the mutant, too.
        nursery._CONTEXT = multiprocessing.get_context("fork")  # type: ignore[assignment, misc]
        files = {_file(target): target.path for target in self._targets}
        for function in [one for one in gc.get_objects() if type(one) is FunctionType]:
            if function.__code__.co_filename in files:
                self._functions.setdefault(function.__code__, []).append(function)
        reach = _Reach(**self._in_fork(lambda: self._reached(files), 3600.0))
        gc.collect()
        gc.freeze()
        self._seconds = reach.seconds
        print(f"{len(reach.seconds)} tests, {sum(reach.seconds.values()):.0f} s", flush=True)
        for name in reach.failed:
            print(f"left out, it fails without a mutant: {name}", flush=True)
        slow = []
        for target in self._targets:
            source = Path(target.path).read_text("utf-8")
            original = compile(source, _file(target), "exec", dont_inherit=True)
            for mutant in mutants(source, _file(target), frozenset(target.numbers)):
                if mutant.code == original:
                    continue  # the compiler says that they are the same
                patch = self._patch(original, mutant.code)
                at_import = patch is None
                patch = _values(target, mutant.code) if patch is None else patch
                if patch is None:
                    slow.append((target, mutant))
                else:
                    self._tell(self._tried(target, mutant, reach, patch, at_import))
        for target, mutant in slow:
            self._tell(self._tried(target, mutant, reach, None, at_import=True))
        return True

    def _tried(
        self, target: Target, mutant: Mutant, reach: _Reach, patch: _Patch | None, at_import: bool
    ) -> Verdict:
        reached = [
            name
            for name, lines in reach.lines.items()
            if mutant.line in lines.get(target.path, ())
            or (at_import and (target.path in lines or not lines))
        ]
        reached.sort(key=lambda name: reach.seconds[name])
        by = ""
        if patch is None:
            by = self._at_import(target, mutant.number, reached[:_AT_IMPORT])
        elif reached:
            limit = 120 + 20 * sum(reach.seconds[name] for name in reached)
            found = self._in_fork(lambda: self._killed_by(patch, reached), limit)
            by = "no end, or a crash" if found is None else found["by"]
        return Verdict(target.path, mutant.number, mutant.line, mutant.change, bool(by), by)

    def _patch(self, original: CodeType, mutated: CodeType) -> _Patch | None:
        """The functions that become others; None if it is not functions alone."""
        patch: _Patch = []
        for old, new in _changed(original, mutated):
            if not old.co_flags & inspect.CO_NEWLOCALS:  # a module or a class: runs at the import
                if _body(old) != _body(new):
                    return None
                continue
            functions = self._functions.get(old, [])
            if functions and old.co_freevars != new.co_freevars:
                return None
            patch += [(function, "__code__", new) for function in functions]
        return patch or None

    def _run(self, name: str) -> bool:
        """Run a test; whether it failed."""
        self._failed = False
        item = self._items[name]
        if name in self._seconds:
            signal.setitimer(signal.ITIMER_PROF, _SECONDS + _SLOWER * self._seconds[name])
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return self._failed

    def _reached(self, files: dict[str, str]) -> dict[str, Any]:
        reach = _Reach({}, {}, [])
        places = {file: number * MOST_LINES for number, file in enumerate(files)}
        with traced(places) as seen:
            for name in self._items:
                seen[:] = bytes(len(seen))
                started = time.monotonic()
                failed = self._run(name)
                lines = {
                    path: [line for line in range(MOST_LINES) if seen[places[file] + line]]
                    for file, path in files.items()
                }
                if failed:
                    reach.failed.append(name)
                else:
                    reach.seconds[name] = time.monotonic() - started
                    reach.lines[name] = {
                        path: reached for path, reached in lines.items() if reached
                    }
        return asdict(reach)

    def _killed_by(self, patch: _Patch, names: Sequence[str]) -> dict[str, str]:
        for holder, name, value in patch:
            setattr(holder, name, value)
        return {"by": next((name for name in names if self._run(name)), "")}

    def _at_import(self, target: Target, number: int, names: Sequence[str]) -> str:
        """The same in a new process, for what is decided by an import."""
        if target.path not in self._importable:
            self._importable[target.path] = self._passes(target, -1, names)
        if not self._importable[target.path]:
            print(f"{target.path}: its tests fail without a mutant in a new process", flush=True)
            return ""
        return "" if self._passes(target, number, names) else "the import, or a test after it"

    def _passes(self, target: Target, number: int, names: Sequence[str]) -> bool:
        told = self._base / "told.json"
        told.write_text(json.dumps([target.path, number, [*names]]), encoding="utf-8")

        def begin() -> None:
            command = [sys.executable, "-m", "mutation.session", str(told)]
            os.execv(sys.executable, command)  # noqa: S606 - the fork becomes it

        return self._in_fork(begin, 300.0) is not None

    def _in_fork(self, work: Callable[[], Any], limit: float) -> Any:
        """What it returned; None if it did not, or not in time."""
        sys.stdout.flush()
        answer = self._base / "answer.json"
        answer.unlink(missing_ok=True)
        scratch = self._base / "fork"
        child = os.fork()
        if child == 0:
            _silently(work, answer, scratch, self._items)
        until = time.monotonic() + limit
        status: int | None = None
        while status is None and time.monotonic() < until:
            ended, code = os.waitpid(child, os.WNOHANG)
            status = code if ended else None
            time.sleep(0.01)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # and whatever its tests had started
        if status is None:
            os.waitpid(child, 0)
        shutil.rmtree(scratch, ignore_errors=True)
        if status != 0:
            return None
        return json.loads(answer.read_text("utf-8")) if answer.exists() else {}


def _silently(
    work: Callable[[], Any], answer: Path, scratch: Path, items: dict[str, pytest.Item]
) -> None:
    """In the fork, which ends here."""
    os.setsid()
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        scratch.mkdir()
        for item in list(items.values())[:1]:
            item.config._tmp_path_factory._basetemp = scratch  # type: ignore[attr-defined]
        answer.write_text(json.dumps(work()), encoding="utf-8")
    except BaseException:  # noqa: BLE001 - nothing of it may go on in the session's code
        os._exit(3)
    os._exit(0)


def _file(target: Target) -> str:
    return str(importlib.import_module(target.name).__file__)


def _changed(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Code that is not the same, outermost first."""
    if old == new:
        return
    yield old, new
    inner = [[one for one in code.co_consts if isinstance(one, CodeType)] for code in (old, new)]
    if len(inner[0]) == len(inner[1]):
        for pair in zip(*inner, strict=True):
            yield from _changed(*pair)


def _body(code: CodeType) -> tuple[Any, ...]:
    """What it does itself, without the functions in it."""
    constants = [(type(one), one) for one in code.co_consts if not isinstance(one, CodeType)]
    return code.co_code, constants, code.co_names


def _values(target: Target, mutated: CodeType) -> _Patch | None:
    """What an import of a module would have left otherwise, if it is plain values alone."""
    module = sys.modules[target.name]
    other: dict[str, Any] = {"__name__": target.name, "__file__": module.__file__}
    try:
        exec(mutated, other)  # noqa: S102 - our own source, but for the fault
    except Exception:  # noqa: BLE001 - whatever a fault can lead to
        return None
    patch: _Patch = []
    for name, old in vars(module).items():
        new = other.get(name)
        if isinstance(old, (bool, int, float, tuple)) and type(old) is type(new) and old != new:
            # None stands for what must not be imported.
            held = [(one, getattr(one, "__dict__", {})) for one in list(sys.modules.values())]
            users = [one for one, values in held if values.get(name) is old]
            patch += [(user, name, new) for user in users]
        elif isinstance(old, FunctionType):
            patch += _defaults(old, new)
        elif isinstance(old, type) and old.__module__ == target.name:
            if issubclass(old, Enum) and [*map(repr, old)] != [*map(repr, new or ())]:
                return None  # its members are everywhere
            for method, function in vars(old).items():
                if isinstance(function, FunctionType):
                    patch += _defaults(function, vars(new).get(method))
    return patch or None


def _defaults(function: FunctionType, other: object) -> _Patch:
    if not isinstance(other, FunctionType):
        return []
    names = "__defaults__", "__kwdefaults__"
    values = [(name, getattr(function, name), getattr(other, name)) for name in names]
    return [(function, name, new) for name, old, new in values if _seen(old) != _seen(new)]


def _seen(value: object) -> str:
    """A value without where it lies in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _without_shrinking(item: pytest.Item) -> None:
    """A failing example need not be the smallest, and must not be kept for the next mutant; few
    are enough for a fault that is always there.
    """
    import hypothesis  # pytest wants to be the first to import its plugins

    def quicker(used: Any) -> hypothesis.settings:
        return hypothesis.settings(
            used,
            database=None,
            derandomize=True,
            max_examples=min(_EXAMPLES, (used or hypothesis.settings()).max_examples),
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        )

    test = getattr(item, "obj", None)
    test = getattr(test, "__func__", test)
    if test is not None and getattr(test, "is_hypothesis_test", False):
        name = "_hypothesis_internal_use_settings"
        setattr(test, name, quicker(getattr(test, name, None)))
    machine = getattr(item, "cls", None)
    if isinstance(getattr(machine, "settings", None), hypothesis.settings):
        machine.settings = quicker(machine.settings)  # type: ignore[union-attr]


def _one(told: Path) -> int:
    """A process of its own for one mutant: its module is the mutant's from the import on."""
    path, number, names = json.loads(told.read_text("utf-8"))
    name, origin = Target(path, ()).name, str(Path(path).resolve())
    codes = [one.code for one in mutants(Path(path).read_text("utf-8"), origin, {number})]
    loader: Any = SourceFileLoader
    loaded = loader.get_code
    loader.get_code = lambda self, asked: (
        codes[0] if codes and asked == name else loaded(self, asked)
    )
    options = ["-q", "-x", "-p", "no:cacheprovider", f"--basetemp={told.parent / 'fork'}"]
    files = dict.fromkeys(name.partition("::")[0] for name in names)
    return int(pytest.main([*options, *files], plugins=[_Only(names)]))


class _Only:
    """Some of the tests in a file, in this order: not every name can be told on a command line."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out all others."""
        found = {item.nodeid: item for item in items}
        items[:] = [found[name] for name in self._names]
        for item in items:
            _without_shrinking(item)


if __name__ == "__main__":
    raise SystemExit(_one(Path(sys.argv[1])))

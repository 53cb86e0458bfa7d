"""Commands and services of the project as forks of a server that has done their imports.

Each is a real process, with arguments, an environment and output of its own, that ends by itself
or by any signal; it is only spared the second of processor time that importing the libraries
takes. What depends on how the interpreter itself starts is tested by starting one.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

import quick_libraries

#: What most of them import, and what reads nothing of its surroundings while it is imported: the
#: command line's own modules look for a terminal, so that each process imports them by itself.
_IMPORTED: Final = (
    "anyio",
    "apprise",
    "argparse",
    "encodings.ascii",
    "encodings.idna",
    "encodings.utf_8_sig",
    "httpcore",  # httpx imports it with the first client
    "httpx",
    "promql_parser",
    "quick_libraries",
    "risk_alertmanager",
    "risk_exporter",
    "risk_policy.secret_keys",
    "risk_receivers.allocator",
    "risk_receivers.channels.envelope",
    "risk_receivers.document.charts",
    "risk_receivers.document.html",
    "risk_receivers.log",
    "risk_receivers.server",
    "risk_receivers.templating.lint",
    "risk_rules",
    "risk_rules.backtest",
    "risk_rules.diff",
    "risk_rules.explain",
    "risk_rules.lint",
    "risk_rules.proofs.coverage",
    "risk_rules.proofs.families",
    "risk_runtime.paper",
    "rich.console",
    "rich.progress",
    "rich.table",
    "typer",
    "uvicorn.lifespan.off",
    "uvicorn.loops.uvloop",
    "uvloop",
)
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(list(_IMPORTED))


class Born:
    """A process from here, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        self.pid: Final = process.pid
        self._process: Final = process

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        ended = self._process.exitcode
        if ended is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return ended

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self._process.kill()


def start(
    module: str,
    *arguments: str,
    environ: Mapping[str, str],
    out: Path,
    err: Path | None = None,
    cwd: Path | None = None,
    warnings_are_errors: bool = False,
) -> Born:
    """``python -m MODULE ARGUMENTS``; what it says is appended to files, to one unless told."""
    there = str(cwd or Path.cwd())
    files = (str(out), str(err or out))
    mask = os.umask(0)
    os.umask(mask)
    process = _CONTEXT.Process(
        target=_live,
        args=(module, list(arguments), dict(environ), files, there, mask, warnings_are_errors),
        daemon=True,
    )
    process.start()
    return Born(process)


def run(
    module: str,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 200,
) -> subprocess.CompletedProcess[str]:
    """The same until it ends, with what it said."""
    with tempfile.TemporaryDirectory(prefix="riskwarden-said-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        born = start(module, *arguments, environ=environ or os.environ, out=out, err=err, cwd=cwd)
        try:
            code = born.wait(timeout)
        finally:
            born.kill()
        return subprocess.CompletedProcess(
            [module, *arguments],
            code,
            out.read_text(encoding="utf-8"),
            err.read_text(encoding="utf-8"),
        )


def _live(
    module: str,
    arguments: list[str],
    environ: dict[str, str],
    files: tuple[str, str],
    cwd: str,
    mask: int,
    warnings_are_errors: bool,
) -> None:
    os.umask(mask)
    if warnings_are_errors:
        warnings.simplefilter("error")
    for standard, name in zip((1, 2), files, strict=True):
        sink = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(sink, standard)
        os.close(sink)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(cwd)
    sys.argv = [module, *arguments]
    quick_libraries.use()
    # What was imported is never garbage; to look at it again and again copies it, page by page.
    gc.freeze()
    runpy.run_module(module, run_name="__main__", alter_sys=True)

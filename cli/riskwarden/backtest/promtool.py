"""Run promtool on the jobs of a backtest, a few at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

from risk_rules.backtest import Firing, Job
from risk_rules.backtest.jobs import TEST_FILE
from riskwarden.backtest.errors import PromtoolError


def find_promtool() -> str:
    """The program, or PromtoolError with the command that installs it."""
    found = shutil.which("promtool")
    if found is None:
        raise PromtoolError(
            "promtool not found; install with: apt-get install --no-install-recommends prometheus"
        )
    return found


def run_jobs(
    jobs: Sequence[Job], workers: int, progress: Callable[[int], None] = lambda _: None
) -> Iterator[Firing]:
    """Everything that fired. Jobs run side by side, the longest first.

    Args:
        progress: told the evaluations of every job that is done.

    Raises:
        PromtoolError: promtool cannot be run.
        EngineOutputError: it does not say what fired.
    """
    promtool = find_promtool()
    with tempfile.TemporaryDirectory(prefix="riskwarden-promtool-") as folder:
        running = _Running(promtool, Path(folder))
        with ThreadPoolExecutor(max(1, workers)) as pool:
            ordered = sorted(jobs, key=lambda job: -job.span.length)
            waiting = {pool.submit(running.run, number, job): job
                       for number, job in enumerate(ordered)}  # fmt: skip
            try:
                while waiting:
                    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        job = waiting.pop(future)
                        yield from job.read(future.result())
                        progress(job.span.length)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                running.stop()


class _Running:
    """The promtool processes that are at work."""

    def __init__(self, promtool: str, folder: Path) -> None:
        self._promtool = promtool
        self._folder = folder
        self._processes: set[subprocess.Popen[str]] = set()

    def run(self, number: int, job: Job) -> str:
        """Everything promtool prints about one job."""
        folder = self._folder / str(number)
        folder.mkdir()
        for name, content in job.files.items():
            (folder / name).write_text(content, encoding="utf-8")
        try:
            with subprocess.Popen(
                [self._promtool, "test", "rules", TEST_FILE],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                env={**os.environ, "TMPDIR": str(folder), "GOGC": "400", "NO_COLOR": "1"},
            ) as process:
                self._processes.add(process)
                text, _ = process.communicate()
                self._processes.discard(process)
        except OSError as error:
            raise PromtoolError(f"{self._promtool} cannot be run: {error.strerror}") from error
        shutil.rmtree(folder, ignore_errors=True)
        if process.returncode not in (0, 1):
            raise PromtoolError(
                f"promtool ended with status {process.returncode} over {job.limit}: {text[-500:]}"
            )
        return text

    def stop(self) -> None:
        """End what is still at work."""
        for process in tuple(self._processes):
            process.kill()

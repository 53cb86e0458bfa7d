"""The stack's processes, of which our own are forks of a server that has done their imports.

For tests of what a stack does once it runs. That its parts start from nothing but an interpreter is
shown by ``riskwarden run`` itself (tests/stack/test_loop.py, tests/deployment).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import nursery

from riskwarden.stack.processes import Child, Processes

if TYPE_CHECKING:
    import subprocess


class ForkedProcesses(Processes):
    """The same, but that ``python -m MODULE`` is born in the nursery."""

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> Child:
        """Start one process with its output in a log file."""
        python, option, *rest = command
        if (python, option) != (sys.executable, "-m"):
            return super().start(name, command, environ)
        log = self._log_folder / f"{name}.log"
        module, *arguments = rest
        born = nursery.start(module, *arguments, environ=environ, out=log)
        child = Child(name, cast("subprocess.Popen[bytes]", born), log, log.open("ab"))
        self._children.append(child)
        return child

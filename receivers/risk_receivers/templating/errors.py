"""What can be wrong with a template."""

from __future__ import annotations

from risk_receivers.errors import ReceiversError


class BrokenTemplateError(ReceiversError):
    """A template that gave no message.

    Attributes:
        file: its name.
        line: where, 0 if that cannot be said.
        problem: what is wrong.
    """

    def __init__(self, file: str, line: int, problem: str) -> None:
        super().__init__(f"{file}:{line}: {problem}" if line else f"{file}: {problem}")
        self.file = file
        self.line = line
        self.problem = problem

"""What can be wrong with a policy, as values that say where, what and what would be right."""

from __future__ import annotations

from dataclasses import dataclass


class PolicyError(Exception):
    """Base of every error of this package."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        key: dotted path of the key, empty if the whole file is meant.
        value: what stands there, as it may be shown; empty if nothing or a secret.
        message: what is wrong and what would be right.
        line: line in the file, 0 if unknown.
        source: the file, if it is another one than that whose problems are told.
    """

    key: str
    value: str
    message: str
    line: int = 0
    source: str = ""

    def render(self, source: str) -> str:
        """One line: file, line, key, value, message."""
        file = self.source or source
        where = f"{file}:{self.line}" if self.line else file
        subject = f"{self.key} = {self.value}" if self.value else self.key
        return f"{where}: {subject}: {self.message}" if subject else f"{where}: {self.message}"


class InvalidPolicyError(PolicyError):
    """The policy file cannot be used. Carries every problem that was found."""

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        self.source = source
        self.problems = problems
        lines = [problem.render(source) for problem in problems]
        super().__init__("\n".join(lines))


class UnfitTokenError(PolicyError):
    """A token holds what no HTTP header takes; whoever sent it would quote it in an error."""

    def __init__(self, template: str) -> None:
        super().__init__(
            f"what {template} holds fits no HTTP header; make a token of one line of ASCII"
        )


class UnsetVariableError(PolicyError):
    """A value refers to an environment variable that is not set."""

    def __init__(self, variable: str) -> None:
        self.variable = variable
        super().__init__(f"set {variable} in the environment, or {variable}_FILE to a file's path")


class UnreadableVariableError(UnsetVariableError):
    """Something says where a value is, and there it is not to be had.

    Who may do without what is not set must not do without this: somebody meant it to be there.
    """

    def __init__(self, variable: str, why: str) -> None:
        super().__init__(variable)
        self.args = (f"{variable}: {why}",)


class VaultError(UnreadableVariableError):
    """A secret that should be in Vault is not to be had."""

"""What several commands share: the policy option and how a command fails."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Column
from rich.text import Text

from risk_policy import InvalidPolicyError, Policy, Problem, default_policy_path, load_policy
from risk_policy.visible import visible


class _Terminal(Console):
    """Prints what others may have chosen: a label, a silence's matcher, a server's answer."""

    def render_str(self, text: str, **more: Any) -> Text:
        """A text with its markup, in which nothing steers the terminal."""
        return super().render_str(visible(text), **more)


#: A pipe or a log file has no width; tables in it should not be cut to a guess of 80.
_WIDTH = None if sys.stdout.isatty() else 132
# Ids of incidents hold `:warning:`, which must stay what it is.
out = _Terminal(highlight=False, soft_wrap=True, width=_WIDTH, emoji=False)
err = _Terminal(stderr=True, highlight=False, soft_wrap=True, emoji=False)

PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        envvar="RISKWARDEN_POLICY",
        help="The policy file; ./policy/alerting.toml or the one that comes with Riskwarden.",
        show_default=False,
    ),
]
DataOption = Annotated[
    Path,
    typer.Option("--data", envvar="RISKWARDEN_DATA", help="The data folder of the stack."),
]

#: The latest run of the local stack.
LATEST = Path("var/latest")


def fail(message: str, code: int = 2) -> NoReturn:
    """End the command with a message on standard error."""
    err.print(f"[bold red]riskwarden:[/] {_escaped(message)}")
    raise typer.Exit(code)


def warn(message: str) -> None:
    """Say on standard error what the command goes on in spite of."""
    err.print(f"[yellow]riskwarden:[/] {_escaped(message)}")


def policy_path(option: Path | None) -> Path:
    """Which policy file is meant."""
    if option is not None:
        return option
    local = Path("policy/alerting.toml")
    return local if is_file(local) else default_policy_path()


def is_file(path: Path) -> bool:
    """Whether a file is there for us; False where nothing may be looked at, as after `sudo -u`."""
    try:
        return path.is_file()
    except OSError:
        return False


def policy_or_fail(option: Path | None) -> Policy:
    """The policy, or the command ends with every problem it has."""
    path = policy_path(option)
    try:
        return load_policy(path)
    except InvalidPolicyError as error:
        fail_with(str(path), error.problems, "nothing was changed")


def fail_with(source: str, problems: Sequence[Problem], consequence: str) -> NoReturn:
    """End the command with every problem of a policy file."""
    for problem in problems:
        err.print(_escaped(problem.render(source)))
    count = len(problems)
    fail(f"{source}: {count} problem{'s' if count != 1 else ''}; {consequence}", 1)


def names(heading: str, found: Iterable[str]) -> Column:
    """A column of what other commands take: in one piece if there is room, and never cut off."""
    longest = max(map(len, found), default=0)
    return Column(heading, no_wrap=longest <= out.width // 2, overflow="fold")


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")


@contextmanager
def interruptible() -> Iterator[None]:
    """Let every polite signal end a command like Ctrl-C, so that nothing is left behind."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    # SIGINT too: a command started in the background by a shell inherits it as ignored.
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)

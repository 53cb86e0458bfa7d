"""`riskwarden upgrade OLD NEW`: another release of the receivers takes over, or nothing changes."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from riskwarden.commands.common import fail, out
from riskwarden.upgrade import Outcome, Releases, somebody_waits
from riskwarden.upgrade import upgrade as replaced

#: Enabled is the one that runs, or a reboot would bring the other one back.
_UNIT: Final = "riskwarden-receivers@{}.service"
_CHECK: Final = (
    "/opt/riskwarden/{}/bin/riskwarden policy check --policy /etc/riskwarden/policy.toml"
)
_ALARM: Final = (
    "neither release is ready: the gate lets no new risk through, and nobody hears alerts; "
    "close it for good with: riskwarden kill --mode pause --reason upgrade"
)
_PLACE: Final = "; {} stands for the release"
#: What a terminal sends to all that run in it, the programs that start and stop a release as well.
_OF_TERMINALS: Final = (signal.SIGINT, signal.SIGHUP)
_HEARD: Final = b"\nriskwarden: interrupted; wait until one of both serves\n"


def upgrade(
    old: Annotated[str, typer.Argument(help="The release that runs, e.g. blue.")],
    new: Annotated[str, typer.Argument(help="The release that is to run, e.g. green.")],
    check: Annotated[
        str, typer.Option(help="Fails if a release could not start" + _PLACE)
    ] = _CHECK,
    start: Annotated[
        str,
        typer.Option(help="Starts a release, which waits for its turn (--take-over)" + _PLACE),
    ] = f"systemctl enable --now {_UNIT}",
    stop: Annotated[
        str, typer.Option(help="Stops one and waits until it has ended" + _PLACE)
    ] = f"systemctl disable --now {_UNIT}",
    url: Annotated[str, typer.Option(help="Where the receivers are.")] = "http://127.0.0.1:9465",
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="RISKWARDEN_DATA",
            help="Their data folder, to see when the new one has loaded; without it the old one "
            "is stopped at once.",
            show_default=False,
        ),
    ] = None,
    within: Annotated[
        float, typer.Option(min=1, max=600, help="Seconds that loading and recovery may take.")
    ] = 30.0,
) -> None:
    """Let another release of the receivers take over; go back to the old one if it is not ready.

    Ctrl-C goes back, too, unless the new one is ready already.

    Exit status: 0 done, 1 nothing was changed, 3 rolled back, 4 neither is ready.
    """
    if old == new:
        fail("both are the same release")
    with httpx.Client(timeout=2.0, trust_env=False) as client, _listening() as interrupted:

        def is_ready() -> bool:
            try:
                return client.get(f"{url}/readyz").status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

        releases = Releases(
            check=_act(check),
            start=_act(start),
            stop=_act(stop),
            is_ready=is_ready,
            waits=None if data is None else lambda: somebody_waits(data),
            within_seconds=within,
            interrupted=interrupted,
        )
        ended = replaced(old, new, releases, _say)
    gap = f"{ended.gap_seconds:.1f} s without"
    match ended.outcome:
        case Outcome.DONE:
            out.print(f"{new} has taken over; {gap}", markup=False)
        case Outcome.NOTHING_CHANGED:
            fail(f"nothing was changed: {ended.why}", ended.outcome.value)
        case Outcome.ROLLED_BACK:
            fail(f"rolled back to {old}, {gap}: {ended.why}", ended.outcome.value)
        case Outcome.NEITHER_IS_READY:
            fail(f"{_ALARM} ({ended.why})", ended.outcome.value)


@contextmanager
def _listening() -> Iterator[Callable[[], bool]]:
    """Whether somebody wants it to end. Nothing ends at once: one of both has to serve."""
    heard: list[int] = []

    def hear(number: int, _: object) -> None:
        heard.append(number)
        with suppress(OSError):
            os.write(2, _HEARD)  # the streams may be at work

    signals = (*_OF_TERMINALS, signal.SIGTERM)
    before = [signal.signal(number, hear) for number in signals]
    try:
        yield lambda: bool(heard)
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _say(text: str) -> None:
    """A terminal that was closed, or a pipe that nobody reads, ends no upgrade half way."""
    with suppress(OSError, SystemExit):
        out.print(text, markup=False)


def _deaf() -> None:
    for number in _OF_TERMINALS:
        signal.signal(number, signal.SIG_IGN)


def _act(template: str) -> Callable[[str], str]:
    def act(release: str) -> str:
        command = [part.replace("{}", release) for part in shlex.split(template)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, preexec_fn=_deaf
            )
        except OSError as error:
            return f"{command[0]}: {error.strerror}"
        said = (done.stderr or done.stdout).strip().splitlines()
        return "" if done.returncode == 0 else (said[-1] if said else f"exit {done.returncode}")

    return act

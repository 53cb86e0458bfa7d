"""What was seen, as a table on the screen and as Markdown."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from chaos.declared import Outcome, Seen

_PLACE: Final = re.compile(r"(?<!\w)/(?:[\w.-]+/){2,}")

HEAD = """# Chaos

What happens when parts fail. `./dev chaos` runs every scenario below on a stack of real processes
of its own (exporter, Prometheus, Alertmanager, receivers and the paper runtime, on the policy that
is shipped), does the harm, and looks whether what must hold is so. `./dev chaos NAME…` runs some,
`--list` names them, `--short` is what `./dev test` runs. It takes about {minutes} minutes; exit
status 1 if something did not hold.

Alerts are sent five times a second all the while, each again until it is answered, and the gate is
asked every few milliseconds about an order that adds risk and one that reduces it. Packets are
dropped by nft in a network namespace of the run's own; disks are a tmpfs that is filled and an ext4
that the kernel makes read-only, in a mount namespace of its own; the clock of the receivers is set
by libfaketime, while that of Prometheus and Alertmanager stays. What a machine lacks of these
leaves scenarios out, and the run says so.

Receivers whose store has failed to write write no more (`readyz` says so), and begin anew by
themselves once it can be written again. Only where the disk has to be unmounted to be mended are
they restarted, since they hold it. That a trip is on record once is looked at, too.

`./dev chaos pairs`, which a run of everything ends with, has two Prometheus, a cluster of two
Alertmanagers and two receivers on PostgreSQL, and kills either of each while a breach goes on
([high availability](high_availability.md#bounds)).

Failures of other kinds are tested elsewhere: kill -9 and loss of power at every write by `./dev
torture`, PostgreSQL that goes away in `tests/receivers/store/`, a signer that dies in
`tests/receivers/signer/`, mail and chat services that refuse or hang with their channels.

This page is written by `./dev chaos --write`, of what was seen last of each scenario{machine}.
Seconds are those of that machine and whatever else it did.
"""


def markdown(outcomes: Sequence[Outcome], machine: str) -> str:
    """The page."""
    minutes = round(sum(one.seconds for one in outcomes) / 60)
    return "\n".join(_page(outcomes, HEAD.format(minutes=minutes, machine=machine))) + "\n"


def _page(outcomes: Sequence[Outcome], head: str) -> Iterator[str]:
    yield head
    yield "| scenario | what is done | what held | in a word |"
    yield "|---|---|---|---|"
    for one in outcomes:
        held = f"{sum(seen.held for seen in one.seen)} of {len(one.seen)}"
        yield f"| [{one.name}](#{one.name}) | {one.what} | {held} | {one.word} |"
    for one in outcomes:
        yield f"\n## {one.name}\n"
        yield f"{one.what[0].upper()}{one.what[1:]}.\n"
        if one.left_out:
            yield f"Left out: {one.left_out}."
            continue
        yield "| must hold | seen | |"
        yield "|---|---|---|"
        for seen in one.seen:
            yield f"| {seen.what} | {_cell(seen.seen)} | {'held' if seen.held else '**NOT**'} |"
        if one.trouble:
            yield f"\n**It broke off**: {_cell(one.trouble)}"


def _cell(text: str) -> str:
    # Where the run kept its files is nobody's business.
    return _PLACE.sub("…/", text).replace("|", "/").replace("\n", " ")


def keep(outcome: Outcome, folder: Path) -> None:
    """Remember what was seen last of a scenario."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dataclasses.asdict(outcome), indent=1)
    (folder / f"{outcome.name}.json").write_text(text, encoding="utf-8")


def kept(folder: Path, names: Iterable[str]) -> list[Outcome]:
    """What was seen last of each scenario, as far as it was ever run."""
    paths = [folder / f"{name}.json" for name in names]
    return [_outcome(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def _outcome(text: str) -> Outcome:
    read = json.loads(text)
    return Outcome(**{**read, "seen": [Seen(**one) for one in read["seen"]]})

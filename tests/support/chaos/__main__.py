"""`./dev chaos [NAME …]`: exit status 1 if something that must hold did not."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from chaos.declared import Outcome
from chaos.harms import system_tool
from chaos.report import keep, kept, markdown
from chaos.run import in_own_namespaces, run
from chaos.scenarios import SCENARIOS

_ROOT = Path(__file__).parents[3]
_PAGE = _ROOT / "docs" / "chaos.md"
_RESULTS = _ROOT / "var" / "chaos"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run scenarios; the exit status."""
    options = _options(arguments)
    names = options.names or [n for n, one in SCENARIOS.items() if one.short or not options.short]
    if unknown := [name for name in names if name not in SCENARIOS]:
        print(f"chaos: {', '.join(unknown)}: no such scenario; --list shows them", file=sys.stderr)
        return 2
    if options.list:
        for name, one in SCENARIOS.items():
            print(f"{name:28}{'short  ' if one.short else '       '}{one.what}")
        return 0
    if not in_own_namespaces():
        _enter_namespaces()
    outcomes = []
    folder = options.keep or Path(tempfile.mkdtemp(prefix="riskwarden-chaos-"))
    for number, name in enumerate(names, 1):
        print(f"{number}/{len(names)} {name}: {SCENARIOS[name].what}", flush=True)
        outcome = run(name, SCENARIOS[name], folder / name, _say)
        outcomes.append(outcome)
        keep(outcome, _RESULTS)
        _say_what_became(outcome, folder / name)
        if outcome.passed and not options.keep:
            shutil.rmtree(folder / name, ignore_errors=True)
    _table(outcomes)
    page = markdown(kept(_RESULTS, SCENARIOS), _machine())
    where = _PAGE if options.write else _RESULTS / "CHAOS.md"
    where.write_text(page, encoding="utf-8")
    print(f"the report is {where}")
    return 0 if all(one.passed or one.left_out for one in outcomes) else 1


def _enter_namespaces() -> None:
    """Go on in namespaces of our own, if the machine lets us; what needs them is left out else."""
    rights = ["-mn"] if os.geteuid() == 0 else ["-rmn"]
    environ = {**os.environ, "RISKWARDEN_CHAOS_NAMESPACES": "1"}
    script = f'{system_tool("ip")} link set lo up || exit 77; exec "$@"'
    line = ["unshare", *rights, "sh", "-c", script, "sh"]
    if shutil.which("unshare") is None or shutil.which(system_tool("ip")) is None:
        return
    if subprocess.run([*line, "true"], capture_output=True, check=False).returncode:
        return
    own = [sys.executable, "-m", "chaos", *sys.argv[1:]]
    os.execvpe(line[0], [*line, *own], environ)  # noqa: S606 - the same program, elsewhere


def _say(text: str) -> None:
    print(f"    {text}", flush=True)


def _say_what_became(outcome: Outcome, folder: Path) -> None:
    why = outcome.left_out or outcome.trouble
    print(f"  {outcome.word} in {outcome.seconds:.0f} s{f': {why}' if why else ''}", flush=True)
    if not (outcome.passed or outcome.left_out):
        print(f"  what its parts said is in {folder}", flush=True)


def _table(outcomes: Sequence[Outcome]) -> None:
    print()
    for one in outcomes:
        held = sum(seen.held for seen in one.seen)
        print(f"{one.name:28}{one.word:10}{held:3} of {len(one.seen):3}  {one.seconds:5.0f} s")
        for seen in one.seen:
            if not seen.held:
                print(f"    NOT: {seen.what}: {seen.seen}")
        if one.trouble:
            print(f"    broke off: {one.trouble}")


def _machine() -> str:
    return f" ({os.cpu_count()} cores, Linux {platform.release().partition('-')[0]})"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev chaos", description="Make parts fail, and look.")
    parser.add_argument("names", nargs="*", help="scenarios; all unless named")
    parser.add_argument("--list", action="store_true", help="name them")
    parser.add_argument("--short", action="store_true", help="those that every test run does")
    parser.add_argument("--write", action="store_true", help="write docs/chaos.md")
    parser.add_argument("--keep", type=Path, help="keep everything in this folder")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

"""`./dev test-newer`: what apt fetches is what tests run with; if it cannot, it is said why."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEV = (ROOT / "dev").read_text(encoding="utf-8")
#: How a test comes by a real Prometheus, Alertmanager, promtool or amtool.
STARTS = re.compile(
    r"\b(real_alertmanager|loopback_prometheus|everything_twice|stack_under_test|losing_desk"
    r'|backtest_player|left_open)\b|"(promtool|amtool)"'
)
#: In place of apt: an archive of Debian, one that calls its release as Debian does, and packages.
APT = """#!/bin/sh
set -eu
case "$*" in
*--print-uris*)
    echo "'http://other.invalid/linux/dists/bookworm/stable/binary-amd64/Packages.xz' a 0"
    echo "'http://first.invalid/debian/dists/bookworm/main/binary-amd64/Packages.xz' b 0"
    echo "'http://first.invalid/debian/dists/bookworm-updates/main/binary-amd64/Packages.xz' c 0"
    echo "'http://second.invalid/debian/dists/bookworm/main/binary-amd64/Packages.xz' d 0"
    ;;
*update*)
    . "$STATE"
    sources=$(sed -n 's/^Dir::Etc::sourcelist "\\(.*\\)";$/\\1/p' "$APT_CONFIG")
    cat "$sources" >>"$ASKED"
    grep -q "$reached" "$sources" || { echo "E: no route to it"; exit 100; }
    ;;
*download*)
    . "$STATE"
    [ "$has" = yes ] || { echo "E: Unable to locate package promtool"; exit 100; }
    for program in prometheus promtool prometheus-alertmanager amtool; do
        mkdir -p "one/usr/bin" one/DEBIAN
        printf '#!/bin/sh\\necho "%s, version 9"\\nexit %s\\n' "$program" "$ends" \\
            >"one/usr/bin/$program"
        chmod 755 "one/usr/bin/$program"
    done
    for line in Package:all Version:9 Architecture:all Maintainer:nobody Description:-; do
        echo "$line"
    done >one/DEBIAN/control
    dpkg-deb --build one all.deb
    ;;
esac
"""


class Newer:
    """The command with a stand-in for apt, and something else for the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "bin/apt-get").write_text(APT)
        (folder / "bin/apt-get").chmod(0o755)
        cut = re.search(r"^newer_tests=.*?(?=^# The tools have)", DEV, re.M | re.S)
        assert cut
        say = 'say() {\n    echo "dev: $*" >&2\n}'
        tests = 'run_tests() {\n    prometheus\n    echo "$@"\n}'
        self._program = "\n".join(("set -eu", say, cut[0], tests, 'test_newer "$@"'))

    def test(
        self, *arguments: str, reached: str = "first", has: str = "yes", ends: int = 0
    ) -> subprocess.CompletedProcess[str]:
        (self.folder / "state").write_text(f"reached={reached} has={has} ends={ends}\n")
        own = {name.upper(): str(self.folder / name) for name in ("state", "asked")}
        own["PATH"] = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", "-c", self._program, "dev", *arguments],
            cwd=self.folder,
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()


@pytest.fixture
def newer(tmp_path: Path) -> Newer:
    return Newer(tmp_path)


def test_all_that_starts_a_real_one_is_run(newer: Newer) -> None:
    done = newer.test()
    assert done.returncode == 0, done.stderr
    assert "dev: amtool, version 9" in done.stderr
    first, second = done.stdout.splitlines()
    assert first == "prometheus, version 9"
    places = second.split(" --ignore ")[0].split()
    assert all((ROOT / place).exists() for place in places)
    for module in (ROOT / "tests").rglob("test_*.py"):
        name = module.relative_to(ROOT).as_posix()
        if module != Path(__file__) and STARTS.search(module.read_text(encoding="utf-8")):
            assert any(name == one or name.startswith(f"{one}/") for one in places), name


def test_a_release_is_named_and_the_rest_goes_to_the_tests(newer: Newer) -> None:
    for named in (("--suite", "trixie"), ("--suite=trixie",)):
        done = newer.test(*named, "tests/stack", "-k", "one", reached="second")
        assert done.stdout.splitlines()[-1] == "tests/stack -k one", done.stderr
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert newer.asked[:2] == [
        f"deb [signed-by={keys}] http://{where}.invalid/debian trixie main"
        for where in ("first", "second")
    ]
    assert (newer.folder / "var/newer/trixie/unpacked/usr/bin/prometheus").exists()


def test_that_apt_gets_nothing_is_said_with_its_own_words(newer: Newer) -> None:
    done = newer.test(reached="nobody")
    assert done.returncode == 2
    assert "E: no route to it" in done.stderr
    assert "apt gets no release forky from" in done.stderr
    assert "http://first.invalid/debian" in done.stderr
    assert "other.invalid" not in done.stderr
    done = newer.test(has="no")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no prometheus, promtool and prometheus-alertmanager of forky" in done.stderr


def test_a_program_that_this_machine_cannot_run_is_named(newer: Newer) -> None:
    done = newer.test(ends=1)
    assert (done.returncode, done.stdout) == (2, "")
    assert "prometheus of forky does not run on this machine" in done.stderr


@pytest.mark.parametrize("named", [("--suite",), ("--suite=",), ("--suite", "../forky")])
def test_what_is_no_release_is_refused(newer: Newer, named: tuple[str, ...]) -> None:
    done = newer.test(*named)
    assert done.returncode == 2
    assert "is the name of a release of Debian" in done.stderr

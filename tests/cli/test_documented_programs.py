"""What documents show besides `riskwarden`: programs are known, and take what they are given."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import nursery
import pytest

from risk_exporter.server import CLOSES_PATH, SNAPSHOT_PATH
from risk_policy import fields
from risk_policy.catalogue.metrics import METRICS
from risk_policy.catalogue.metrics.foreign import FOREIGN
from risk_policy.model.policy import Alerting
from risk_receivers.access import NEEDS

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/incidents").glob("*.md")),
    *sorted((ROOT / "policy/risk_policy/catalogue/advice").glob("*.md")),
]
#: Checked with their names, options and words in test_documented_commands.
OURS: Final = {"riskwarden", "./dev"}
#: Programs of ours with arguments of their own -> the module that takes them.
MODULES: Final = {
    "riskwarden-verify": "riskwarden.auditor.riskwarden_verify",
    "riskwarden-signer": "risk_receivers.signer.process",
}
#: Not ours, and there on a machine that the document speaks of.
OTHERS: Final = {
    *("cat", "cp", "export", "install", "ln", "mkdir", "openssl", "printf", "python3", "sha256sum"),
    *("createdb", "createuser", "docker", "systemctl", "systemd-sysusers"),
    *("prometheus", "prometheus-alertmanager", "pip"),
}
#: Words of the shell's own.
SHELL: Final = {"for", "do", "done", "END"}
_BLOCK: Final = re.compile(r"^[ \t]*```(\w*)\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
_EXPORTERS: Final = {f"POST {SNAPSHOT_PATH}", f"POST {CLOSES_PATH}", "GET /metrics"}
#: Attributes and packages, not metrics.
_NO_METRIC: Final = re.compile(
    r"risk_(id|policy|exporter|rules|alertmanager|receivers|grafana|runtime)"
)


def blocks(path: Path, *languages: str) -> Iterator[str]:
    for language, block in _BLOCK.findall(path.read_text(encoding="utf-8")):
        if language in languages:
            yield textwrap.dedent(block)


def commands(path: Path) -> Iterator[list[str]]:
    """Every command of a document in words, without what only says as whom."""
    for block in (*blocks(path, "sh", "bash"), *_transcripts(path)):
        whole = re.sub(r"<<(\w+)\n.*?^\1$", "", block, flags=re.DOTALL | re.MULTILINE)
        whole = re.sub(r"'\{.*?\}'", "'{}'", whole.replace("\\\n", " "), flags=re.DOTALL)
        for line in whole.splitlines():
            words = shlex.split(line, comments=True)
            while words and (words[0] in ("sudo", "env") or re.fullmatch(r"[A-Z_]+=.*", words[0])):
                words = words[1:]
                if words[:1] == ["-u"]:
                    words = words[2:]
            if words:
                yield words


def _transcripts(path: Path) -> Iterator[str]:
    for block in blocks(path, "console", ""):
        typed = re.findall(r"^\$ (.*)$", block, re.MULTILINE)
        yield "\n".join(re.sub(r"\(.*?\)", "", line) for line in typed)


@cache
def options_of(module: str) -> frozenset[str]:
    done = nursery.run(module, "--help")
    assert done.returncode == 0, module
    return frozenset(re.findall(r"--[a-z][a-z-]+", done.stdout))


def problem(words: list[str]) -> str:
    """What is wrong with a command; empty if nothing is."""
    program, *rest = words
    program = re.sub(r"^/opt/riskwarden/\w+/bin/", "", program)
    if program in OURS | OTHERS | SHELL or program.startswith("deploy/"):
        return "" if "/" not in program[2:] or (ROOT / program).is_file() else "not there"
    if program == "curl":
        return _asked(rest)
    if program == "python" and rest[0] == "-m":
        module, rest = rest[1], rest[2:]
    elif program == "python":
        return "" if rest[0] == "riskwarden_verify.py" else "another script"
    elif program in MODULES:
        module = MODULES[program]
    else:
        return "unknown program"
    if find_spec(module) is None:
        return f"no module {module}"
    given = {word.partition("=")[0] for word in rest if word.startswith("--")}
    return ", ".join(sorted(given - options_of(module)))


def _asked(words: list[str]) -> str:
    """Whether there is an endpoint for what curl asks."""
    (url,) = (word for word in words if word.startswith("http://"))
    method = "POST" if "-d" in words else "GET"
    path = re.sub(r"^http://127\.0\.0\.1:\d+|\?.*", "", url)
    served = _EXPORTERS if ":9464/" in url else NEEDS.keys()
    return "" if f"{method} {path}" in served else f"nobody answers {method} {path}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_program_that_a_document_shows_is_one_and_takes_what_it_is_given(path: Path) -> None:
    found = {" ".join(words): said for words in commands(path) if (said := problem(words))}
    assert found == {}


def test_enough_is_looked_at_and_no_unit_of_systemd_is_one_that_there_is_not() -> None:
    found = [words for path in DOCUMENTS for words in commands(path)]
    assert len(found) > 200
    units = {path.stem for path in (ROOT / "deploy/systemd").glob("*.service")}
    started = {
        re.sub("@.*", "@", x) for words in found if words[0] == "systemctl" for x in words[2:]
    }
    assert started - {"--now", "grafana-server"} <= units
    assert len(started & units) == len(units)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("riskwardne status", "unknown program"),
        ("deploy/make-secret", "not there"),
        ("python -m risk_exportre", "no module"),
        ("python -m risk_exporter --pol x", "--pol"),
        ("riskwarden-verify q1.jsonl --pin x", "--pin"),
        ("curl -d @x http://127.0.0.1:9464/api/v1/snapshots", "nobody answers POST"),
        ("curl http://127.0.0.1:9465/api/v1/runtime/reports", "nobody answers GET"),
    ],
)
def test_what_is_none_is_named(line: str, said: str) -> None:
    assert said in problem(shlex.split(line))


@cache
def samples() -> frozenset[str]:
    return frozenset(name for each in (METRICS | FOREIGN).values() for name in each.samples)


def is_key(parts: tuple[str, ...]) -> bool:
    """Whether a key, or the table of it, is one of the policy."""
    model: Any = Alerting
    for part in parts:
        if fields.field(model, part) is None and fields.submodel(model, part) is None:
            return False
        model = fields.submodel(model, part)
    return True


def keys(table: dict[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from keys(value, (*before, name))
        else:
            yield (*before, name)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_key_and_metric_that_a_document_names_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = {tuple(key.split(".")) for key in re.findall(r"`\[?(alerting(?:\.[a-z_]+)+)", text)}
    for block in blocks(path, "toml"):
        named |= {key for key in keys(tomllib.loads(block)) if key != ("extends",)}
    assert {key for key in named if key[0] != "alerting" or not is_key(key[1:])} == set()
    # With labels, or of a form that only metrics have.
    metrics = re.findall(r"`(risk_\w+(?=\{)|risk_\w+_(?:total|seconds|ratio|info))\b", text)
    known = {re.sub(r"_(bucket|sum|count)$", "", name) for name in samples()} | samples()
    assert {name for name in metrics if name not in known and not _NO_METRIC.fullmatch(name)} <= {
        "risk_edge_ratio"  # of nautilus_trader's parameters of an order
    }


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_program_in_python_imports_what_is_there(path: Path) -> None:
    for block in blocks(path, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("risk_"):
                if find_spec("nautilus_trader") is None and "nautilus" in str(node.module):
                    continue  # looked at where that is installed
                module = import_module(str(node.module))
                assert [each.name for each in node.names if not hasattr(module, each.name)] == []

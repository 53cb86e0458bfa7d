"""Policies to generate from, and promtool to judge what comes out."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import quick_yaml

from risk_policy import Policy, default_policy_path, parse_policy

GENERATED = Path(__file__).parents[2] / "rules/generated"
Edits = tuple[tuple[str, str], ...]


@pytest.fixture(scope="session")
def policy_with() -> Callable[..., Policy]:
    """The committed policy, with some of its lines changed."""

    def edited(*edits: tuple[str, str]) -> Policy:
        text = default_policy_path().read_text(encoding="utf-8")
        for old, new in edits:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the policy"
            text = text.replace(old, new)
        return parse_policy(text.encode(), environ={})

    return edited


@pytest.fixture(scope="session")
def policy(policy_with: Callable[..., Policy]) -> Policy:
    """The committed policy."""
    return policy_with()


@pytest.fixture(scope="session")
def write() -> Callable[[Path, dict[str, str]], Path]:
    """Writes files into a folder, and the token that the configuration refers to."""

    def written(folder: Path, files: dict[str, str]) -> Path:
        for name, text in {**files, "secrets/alert_feed_token": "token"}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return folder

    return written


@pytest.fixture(scope="session")
def promtool() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs promtool in a folder."""

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["promtool", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
            env={**os.environ, "GOGC": "400"},
        )

    return run


@pytest.fixture(scope="session")
def files() -> dict[str, str]:
    """Everything that is generated from the committed policy, as it is committed."""
    return {
        path.relative_to(GENERATED).as_posix(): path.read_text(encoding="utf-8")
        for path in GENERATED.rglob("*.yml")
    }


@pytest.fixture(scope="session")
def parsed(files: dict[str, str]) -> Callable[[str], dict[str, Any]]:
    """Generated YAML files of a folder, parsed, by name without ending."""

    @cache
    def loaded(folder: str) -> dict[str, Any]:
        return {
            name.removeprefix(f"{folder}/")
            .removesuffix(".yml")
            .removesuffix(".test"): quick_yaml.load(text)
            for name, text in files.items()
            if name.startswith(f"{folder}/")
        }

    # Five megabytes take seconds; who leaves out a file leaves it out of a dictionary of their own.
    return lambda folder: dict(loaded(folder))

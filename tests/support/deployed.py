"""docker-compose.yml as its services see it, and those services as processes on this machine.

No container engine runs here. What a service says is translated: paths of mounts to folders of a
test, names of services and ports to free ones on loopback. Everything else stays as it is written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from free_ports import free_port

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
POLICY: Final = ROOT / "policy" / "containers.toml"
_DEBIANS: Final = {"alertmanager": "prometheus-alertmanager"}
_IMAGES_OWN: Final = {"prom/prometheus": "prometheus", "prom/alertmanager": "alertmanager"}
_SECONDS: Final = 60.0


def ours() -> list[str]:
    """Services that run the project's image."""
    return [name for name, one in SERVICES.items() if one["image"].startswith("riskwarden:")]


@dataclass
class Host:
    """A machine on which the services run without their containers."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("policy", "keys", "run", "generated", "prometheus", "tmp"):
            (self.folder / name).mkdir()
        made = subprocess.run(
            [ROOT / "deploy" / "make-secrets", self.folder / "secrets"],
            capture_output=True,
            check=False,
        )
        # Only root may give the files to the group of the containers.
        assert made.returncode == (0 if os.geteuid() == 0 else 1), made.stderr
        for address in (
            *("exporter:9464", "receivers:9465", "prometheus:9490"),
            *("alertmanager-1:9493", "alertmanager-2:9493"),
            *("172.30.66.11:9094", "172.30.66.12:9094"),
        ):
            self.ports[address] = free_port()
        for path in (ROOT / "policy").rglob("*.toml"):
            copy = self.folder / "policy" / path.relative_to(ROOT / "policy")
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(self.there(path.read_text("utf-8"), ""), encoding="utf-8")

    def there(self, text: str, service: str) -> str:
        """A text of the compose file as it is meant on this machine."""
        text = text.replace("alertmanager:9493", "alertmanager-1:9493")
        for address, port in self.ports.items():
            name, _, listened = address.rpartition(":")
            text = text.replace(address, f"127.0.0.1:{port}")
            if name == service:
                for anywhere in ("0.0.0.0", "127.0.0.1"):  # noqa: S104 - what a container listens on
                    text = text.replace(f"{anywhere}:{listened}", f"127.0.0.1:{port}")
        for inside, here in {
            "/opt/riskwarden/probe.py": ROOT / "deploy" / "probe.py",
            "/etc/riskwarden/policy": self.folder / "policy",
            "/etc/riskwarden/prometheus": self.folder / "generated" / "rules" / "generated",
            "/etc/riskwarden/alertmanager": self.folder / "generated/alertmanager/generated",
            "/run/secrets": self.folder / "secrets",
            "/run/riskwarden": self.folder / "run",
            "/keys": self.folder / "keys",
            "/generated": self.folder / "generated",
            "/data": self.folder / f"data-{service}",
            "=/prometheus": f"={self.folder / 'prometheus'}",
            "=/alertmanager": f"={self.folder / f'data-{service}'}",
        }.items():
            text = text.replace(inside, str(here)) if str(here) not in text else text
        return text

    def command(self, service: str) -> list[str]:
        """What a service runs, as the image's entry point begins it."""
        said = [self.there(one, service) for one in SERVICES[service]["command"]]
        program = _IMAGES_OWN.get(SERVICES[service]["image"].partition(":")[0])
        return self.found([program, *said] if program else said)

    def health(self, service: str) -> list[str]:
        """How its health is asked for."""
        kind, *said = SERVICES[service]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.found([self.there(one, service) for one in said])

    def found(self, command: Sequence[str]) -> list[str]:
        """A command of a container by where its program is on this machine."""
        program, *rest = command
        if program == "python":
            return [sys.executable, *rest]
        beside = Path(sys.executable).with_name(program)
        named = shutil.which(program) or shutil.which(_DEBIANS.get(program, ""))
        return [str(beside) if beside.exists() else str(named), *rest]

    def environment(self, service: str) -> dict[str, str]:
        """What a service finds in its environment, and nothing of the test's own secrets."""
        own = SERVICES[service].get("environment", {})
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        return {**kept, **{name: self.there(value, service) for name, value in own.items()}}

    def run(self, command: Sequence[str], service: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environment(service), capture_output=True, text=True, check=False
        )

    def start(self, service: str) -> subprocess.Popen[bytes]:
        """Start a service and wait until its health check is content."""
        log = self.folder / f"{service}.log"
        with log.open("ab") as sink:
            process = subprocess.Popen(
                self.command(service), stdout=sink, stderr=sink, env=self.environment(service)
            )
        self.running.append(process)
        self.until(lambda: self.is_healthy(service), process, log)
        return process

    def is_healthy(self, service: str) -> bool:
        return self.run(self.health(service), service).returncode == 0

    def until(
        self, condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path
    ) -> None:
        deadline = time.monotonic() + _SECONDS
        while not condition():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)  # each question is a process of its own

    def stop(self) -> None:
        for process in reversed(self.running):
            process.terminate()
        for process in reversed(self.running):
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:  # Alertmanager takes its leave of a dead cluster
                process.kill()
                process.wait(20)


@contextlib.contextmanager
def host(folder: Path) -> Iterator[Host]:
    found = Host(folder)
    try:
        yield found
    finally:
        found.stop()

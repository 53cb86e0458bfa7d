"""How soon the console can be used: from asking for the page until it shows what is so.

A real receivers service on loopback and a real Chromium without a window. Each load has a context
of its own, so nothing is kept from the one before; the second one in the same context shows what
kept files save.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from playwright.sync_api import BrowserContext, sync_playwright

#: When the script says that somebody is known, and status and alerts are there.
_READY = "() => performance.getEntriesByName('riskwarden-ready')[0]?.startTime"
_NAME, _PASSWORD = "olga", secrets.token_urlsafe(24)
_TOKENS = {
    f"RISKWARDEN_{name}_TOKEN": secrets.token_urlsafe(24)
    for name in ("ALERT_FEED", "NOTIFICATION_FEED", "RUNTIME", "OPERATOR")
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    port = _free_port()
    policy = folder / "alerting.toml"
    policy.write_text("[alerting.dashboard]\nenabled = true\n")
    command = [sys.executable, "-m", "risk_receivers", "--policy", str(policy)]
    command += ["--data", str(folder / "data"), "--listen", f"127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **_TOKENS})
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 30
    while True:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).status_code == 200:
                return process, url
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline or process.poll() is not None:
            raise SystemExit((folder / "log").read_text())
        time.sleep(0.05)  # the service says that it is ready only when asked


def _load(context: BrowserContext, url: str) -> float:
    page = context.new_page()
    page.goto(url + "/", wait_until="commit")
    page.wait_for_function(_READY)
    took = float(page.evaluate(_READY))
    page.close()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    # More in a minute than one name may ask for are none that the service answers.
    parser.add_argument("--loads", type=int, default=8)
    loads = parser.parse_args().loads
    binary = shutil.which("chromium")
    if binary is None:
        raise SystemExit("install chromium: ./dev setup")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        process, url = _start(Path(name))
        try:
            browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
            httpx.post(
                f"{url}/api/v1/users",
                json={"name": _NAME, "roles": ["admin"], "password": _PASSWORD, "actor": _NAME},
                headers={"Authorization": f"Bearer {_TOKENS['RISKWARDEN_OPERATOR_TOKEN']}"},
                trust_env=False,
            ).raise_for_status()
            first, again = [], []
            for _ in range(loads):
                context = browser.new_context()
                context.request.post(
                    f"{url}/api/v1/session", data={"name": _NAME, "password": _PASSWORD}
                )
                first.append(_load(context, url))
                again.append(_load(context, url))
                context.close()
            browser.close()
        finally:
            process.terminate()
            process.wait(20)
    for what, times in (("nothing kept", first), ("files kept", again)):
        median, worst = statistics.median(times), max(times)
        print(f"console usable, {what}: median {median:.0f} ms, worst of {loads} {worst:.0f} ms")


if __name__ == "__main__":
    main()

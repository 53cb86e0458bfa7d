"""nginx with TLS in front of the receivers: a real one, where there is one."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
import trustme
from deployed import ROOT, SERVICES, Host, host
from free_ports import free_port

FOLDER: Final = ROOT / "deploy" / "nginx"
NGINX: Final = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
#: What surrounds conf.d in the image, as far as it matters; all folders are the test's.
MAIN: Final = """
daemon off; pid {folder}/nginx.pid; error_log stderr warn; worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    include {folder}/site.conf;
}}
"""
#: However they are spelt: a proxy that compares letters is got round by others.
CLOSED: Final = tuple(
    spelt
    for path in ("/metrics", "/api/v2/alerts", "/api/v1/notifications")
    for spelt in (
        path,
        f"{path}?x=1",
        f"/{path}",
        f"{path}/",
        f"/x/..{path}",
        f"/%{ord(path[1]):x}{path[2:]}",
    )
)


def test_feeds_and_metrics_are_not_for_who_comes_through_the_proxy() -> None:
    shared = (FOLDER / "console.conf").read_text("utf-8")
    closed = set(re.findall(r"location = (\S+) \{ return 404; \}", shared))
    assert closed == {"/api/v2/alerts", "/api/v1/notifications", "/metrics"}
    assert "X-Forwarded-For $remote_addr;" in shared  # and not what the browser said
    for name in ("riskwarden.conf", "containers.conf"):
        text = (FOLDER / name).read_text("utf-8")
        assert "include /etc/nginx/riskwarden/console.conf;" in text
        assert re.search(r"listen \d+ ssl;", text)


def test_the_proxy_of_the_containers_mounts_what_its_configuration_includes() -> None:
    mounts = {one["target"]: one["source"] for one in SERVICES["proxy"]["volumes"]}
    assert mounts == {
        "/etc/nginx/conf.d/default.conf": "./deploy/nginx/containers.conf",
        "/etc/nginx/riskwarden/console.conf": "./deploy/nginx/console.conf",
    }


def test_the_containers_nginx_looks_again_where_the_receivers_are() -> None:
    """By default a name is looked up at the start, and an upgrade gives it another address."""
    text = (FOLDER / "containers.conf").read_text("utf-8")
    assert "server receivers:9465 resolve;" in text
    assert "resolver 127.0.0.11 " in text  # the engine's own
    version = SERVICES["proxy"]["image"].partition(":")[2].partition("-")[0]
    assert tuple(map(int, version.split("."))) >= (1, 27, 3)


def site(name: str, folder: Path, port: int, upstream: str) -> Path:
    """A configuration of nginx with one of ours in it, its paths and ports those of a test."""
    text = (FOLDER / name).read_text("utf-8")
    for inside, here in {
        "/run/secrets/tls_certificate": f"{folder}/certificate.pem",
        "/run/secrets/tls_key": f"{folder}/key.pem",
        "/etc/riskwarden/tls/certificate.pem": f"{folder}/certificate.pem",
        "/etc/riskwarden/tls/key.pem": f"{folder}/key.pem",
        "/etc/nginx/riskwarden/console.conf": f"{FOLDER}/console.conf",
        "listen 8443 ssl": f"listen 127.0.0.1:{port} ssl",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "127.0.0.1:8081": f"127.0.0.1:{free_port()}",
        # Debian's nginx is older than what looks names up again.
        "resolver 127.0.0.11 valid=5s;": "",
        "server receivers:9465 resolve;": f"server {upstream};",
        "server 127.0.0.1:9465;": f"server {upstream};",
    }.items():
        text = text.replace(inside, here)
    (folder / "site.conf").write_text(text)
    main = folder / "nginx.conf"
    main.write_text(MAIN.format(folder=folder))
    return main


def certificate(folder: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(folder / "certificate.pem"), append=number > 0)
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    return trusted


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A machine on which the receivers run."""
    with host(tmp_path_factory.mktemp("host")) as machine:
        policy = machine.folder / "policy" / "containers.toml"
        policy.write_text(policy.read_text().replace("172.30.65.10", "127.0.0.1"))
        machine.start("signer")
        machine.start("receivers")
        yield machine


@pytest.mark.skipif(not NGINX, reason="no nginx here; nginx-light is enough")
@pytest.mark.parametrize(
    ("name", "person"), [("riskwarden.conf", "ann"), ("containers.conf", "ben")]
)
def test_people_come_through_nginx_over_tls(
    name: str, person: str, machine: Host, tmp_path: Path
) -> None:
    folder = tmp_path
    trusted = certificate(folder)
    port = free_port()
    main = site(name, folder, port, f"127.0.0.1:{machine.ports['receivers:9465']}")
    log = folder / "log"
    with log.open("wb") as sink:
        nginx = subprocess.Popen([str(NGINX), "-c", str(main)], stderr=sink)
    machine.running.append(nginx)
    url = f"https://127.0.0.1:{port}"
    with httpx.Client(verify=trusted, trust_env=False) as people:
        machine.until(lambda: _answers(people, url), nginx, log)
        _look_around(people, url, machine, person)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        httpx.Client(verify=old, trust_env=False) as outdated,
        pytest.raises(httpx.ConnectError),
    ):
        outdated.get(f"{url}/login")


def _answers(people: httpx.Client, url: str) -> bool:
    try:
        return people.get(f"{url}/healthz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _look_around(people: httpx.Client, url: str, machine: Host, person: str) -> None:
    assert people.get(f"{url}/login").status_code == 200
    feed = {"Authorization": (machine.folder / "secrets" / "alert_feed_token").read_text()}
    for closed in CLOSED:
        assert people.get(url + closed).status_code == 404, closed
        assert people.post(url + closed, json=[], headers=feed).status_code in (404, 405), closed
    token = (machine.folder / "secrets" / "operator_token").read_text()
    plain = f"http://127.0.0.1:{machine.ports['receivers:9465']}"
    body = {"name": person, "roles": ["auditor"], "password": "a slow train north", "actor": "x"}
    asked = {"Authorization": f"Bearer {token}"}
    made = httpx.post(f"{plain}/api/v1/users", json=body, headers=asked, trust_env=False)
    assert made.status_code == 200, made.text
    # Whoever says to be somebody else is still who he is.
    given = people.post(
        f"{url}/api/v1/session",
        json={"name": person, "password": body["password"]},
        headers={"X-Forwarded-For": "203.0.113.7"},
    )
    assert "; Secure;" in given.headers["set-cookie"]
    assert people.get(f"{url}/api/v1/system/status").status_code == 200
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": url}
    with people.stream("GET", f"{url}/ws/alerts", headers={**upgrade, **key}) as stream:
        assert stream.status_code == 101, stream.headers

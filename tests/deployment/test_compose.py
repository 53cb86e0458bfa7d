"""docker-compose.yml: well-formed, hardened service by service, naming nothing but what is there.

tests/deployment/compose-spec.json is the Compose Specification's own schema (Apache License 2.0).
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from deployed import COMPOSE, POLICY, ROOT, SERVICES, ours
from jsonschema_rs import validator_for

from risk_policy import load_policy
from risk_policy.contracts.artefact import duration
from risk_policy.model.base import split_endpoint
from risk_receivers.exposure import require_safe
from riskwarden import artefacts

SCHEMA = json.loads((Path(__file__).parent / "compose-spec.json").read_text("utf-8"))
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
#: Who may reach what is outside, and why nobody else has to.
MAY_GO_OUT = {"receivers", "alertmanager-1", "alertmanager-2"}
#: Flags that Prometheus 3 or Alertmanager 0.27 and later know no more, or that let anybody in.
DROPPED = re.compile(
    r"--(storage\.tsdb\.(allow-overlapping-blocks|retention=|wal-compression-type=|no-lockfile=)"
    r"|alertmanager\.timeout|web\.enable-(admin-api|lifecycle|remote-write)|enable-feature)"
)


@pytest.fixture(params=sorted(SERVICES))
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = SERVICES[request.param]
    return found


def test_it_is_what_the_compose_specification_asks_for() -> None:
    content = json.loads(json.dumps(COMPOSE))
    assert [error.message for error in validator_for(SCHEMA).iter_errors(content)] == []
    content["services"]["signer"]["read_onyl"] = True
    assert not validator_for(SCHEMA).is_valid(content)


def test_the_parts_of_the_design_are_all_there() -> None:
    assert SERVICES.keys() == {
        *(
            "align",
            "configure",
            "signer",
            "receivers",
            "exporter",
            "prometheus",
            "grafana",
            "proxy",
        ),
        *("alertmanager-1", "alertmanager-2", "postgresql"),
    }
    assert SERVICES["postgresql"]["profiles"] == ["postgresql"]
    assert SERVICES["align"]["profiles"] == ["align"]


def test_nothing_of_a_service_can_be_written_to_or_gained(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert "devices" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"pid", "ipc", "userns_mode", "cgroup"} & service.keys()
    assert service.get("network_mode", "none") == "none"
    for mount in service["tmpfs"]:
        assert {"noexec", "nosuid", "nodev"} <= set(mount.partition(":")[2].split(","))
        assert "size=" in mount


def test_a_service_is_nobody_and_certainly_not_root(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", service["user"])


def test_a_service_has_bounds_and_says_how_it_is(service: dict[str, Any]) -> None:
    limits = service["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory", "pids"}
    check = service["healthcheck"]
    assert check == {"disable": True} or {"test", "interval", "timeout", "retries"} <= check.keys()
    assert (check == {"disable": True}) == (service["restart"] == "no")
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


def test_an_image_is_pinned_to_a_version(service: dict[str, Any]) -> None:
    name, _, tag = service["image"].partition(":")
    if name == "riskwarden":
        assert tag == f"${{RISKWARDEN_VERSION:-{_version()}}}"
        assert service["pull_policy"] == "never"
    else:
        assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?", tag), service["image"]


def test_an_image_that_a_document_names_is_the_one_that_is_pinned() -> None:
    pinned = {service["image"] for service in SERVICES.values()}
    for path in (ROOT / "docs").glob("*.md"):
        named = re.findall(r"\b(?:grafana/grafana|prom/\w+)\S*$", path.read_text("utf-8"), re.M)
        assert set(named) <= pinned, path.name


def test_the_guide_tells_of_each_image_and_of_its_line() -> None:
    guide = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    built_on = set(re.findall(r"^FROM (\S+) AS", DOCKERFILE, re.M))
    pulled = {one["image"] for one in SERVICES.values() if "build" not in one}
    others = {image for image in pulled if not image.startswith("riskwarden:")}
    assert set(re.findall(r"^\| `([^`:]+:[^`]+)` \| \S", guide, re.M)) == others | built_on


def _version() -> str:
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)
    assert found
    return found[1]


def test_ports_are_published_on_this_machine_alone(service: dict[str, Any]) -> None:
    for port in service.get("ports", ()):
        plain = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", port)
        assert plain.startswith("127.0.0.1:"), port
        # A port is published over a network that is not internal.
        assert outside() & set(service["networks"])


def outside() -> set[str]:
    """Networks from which something outside can be reached, or the other way round."""
    return {name for name, one in COMPOSE["networks"].items() if not (one or {}).get("internal")}


def test_no_secret_stands_in_it_and_each_one_that_is_used_is_given(service: dict[str, Any]) -> None:
    given = service.get("secrets", [])
    assert len(given) == len(set(given))
    environ = service.get("environment", {})
    for name, value in environ.items():
        if re.search(r"TOKEN|SECRET|PASSWORD|DSN|WEBHOOK|CHAT", name):
            assert name.endswith("_FILE"), name
            assert str(value).removeprefix("/run/secrets/") in given, name
    command = " ".join(service.get("command", ()))
    for path in re.findall(r"/run/secrets/(\w+)", command):
        assert path in given


def test_every_secret_is_a_file_that_make_secrets_makes(tmp_path: Path) -> None:
    subprocess.run([ROOT / "deploy" / "make-secrets", tmp_path], capture_output=True, check=False)
    made = {path.name: path for path in tmp_path.iterdir()}
    named = {name: Path(one["file"]) for name, one in COMPOSE["secrets"].items()}
    assert {path.parent for path in named.values()} == {Path("deploy/secrets")}
    # People bring the certificate themselves.
    assert named.keys() - made.keys() == {"tls_certificate", "tls_key"}
    assert all(path.name == name for name, path in named.items())
    tokens = [path.read_text() for name, path in made.items() if name.endswith("_token")]
    filled = [token for token in tokens if token]
    assert len(set(filled)) == len(filled) >= 6
    assert all(len(token) >= 43 for token in filled)
    assert not any(path.stat().st_mode & 0o007 for path in made.values())
    before = {name: path.read_text() for name, path in made.items()}
    subprocess.run([ROOT / "deploy" / "make-secrets", tmp_path], capture_output=True, check=False)
    assert {name: path.read_text() for name, path in made.items()} == before
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert "deploy/secrets/" in ignored


def test_only_who_tells_people_can_reach_what_is_outside() -> None:
    published = outside() - {"egress"}
    assert all(name.startswith("published-") for name in published)
    for name in published:
        options = COMPOSE["networks"][name]["driver_opts"]
        assert options == {"com.docker.network.bridge.enable_ip_masquerade": "false"}
    assert {name for name, one in SERVICES.items() if "egress" in one.get("networks", ())} == (
        MAY_GO_OUT
    )


def members_of_networks() -> dict[str, set[str]]:
    members: dict[str, set[str]] = {name: set() for name in COMPOSE["networks"]}
    for name, one in SERVICES.items():
        assert ("networks" in one) != ("network_mode" in one), name
        for network in one.get("networks", ()):
            members[network].add(name)
    return members


def test_a_name_leads_to_an_address_that_can_be_reached() -> None:
    """The engine looks names up in what is not internal first, by name, and stops at the first.

    In a network that two share and that keeps them apart, the address found there is no use.
    """
    for network, members in members_of_networks().items():
        options = (COMPOSE["networks"][network] or {}).get("driver_opts", {})
        assert options.get("com.docker.network.bridge.enable_icc") != "false", network
        assert not network.startswith("published-") or members == {network.split("-", 1)[1]}


def test_what_may_go_out_goes_out_by_the_network_for_it() -> None:
    """Of several that are not internal, the first by name is the default gateway."""
    for name in MAY_GO_OUT:
        assert outside() & set(SERVICES[name]["networks"]) == {"egress"}


def test_networks_keep_apart_who_has_nothing_to_say_to_each_other() -> None:
    members = members_of_networks()
    assert members["database"] == {"receivers", "postgresql"}
    assert members["cluster"] == {"alertmanager-1", "alertmanager-2"}
    assert members["metrics"] == {"prometheus", "grafana"}
    assert members["console"] == {"receivers", "proxy"}
    assert "grafana" not in members["core"]
    for offline in ("signer", "configure"):
        assert SERVICES[offline]["network_mode"] == "none"


def test_everything_that_is_named_is_there(service: dict[str, Any]) -> None:
    for mount in service.get("volumes", ()):
        if mount["type"] == "bind":
            assert (ROOT / mount["source"]).exists()
            assert mount["read_only"] is True
        else:
            assert mount["source"] in COMPOSE["volumes"]
    for other in service.get("depends_on", ()):
        assert other in SERVICES
    if build := service.get("build"):
        assert (ROOT / build["dockerfile"]).is_file()
        assert f" AS {build['target']}\n" in DOCKERFILE
    for one in service.get("env_file", ()):
        assert one["required"] is False


def test_whatever_is_generated_can_be_written_although_the_root_is_read_only() -> None:
    configure = SERVICES["configure"]
    writable = [one["target"] for one in configure["volumes"] if not one.get("read_only")]
    writable += [one.partition(":")[0] for one in configure["tmpfs"]]
    for folder in artefacts.folders(load_policy(POLICY, {})):
        assert any(f"/generated/{folder}/".startswith(f"{path}/") for path in writable), folder


def test_configurations_are_read_only_for_whom_they_are_made() -> None:
    made = {one["source"] for one in SERVICES["configure"]["volumes"] if one["type"] == "volume"}
    for name, service in SERVICES.items():
        for mount in service.get("volumes", ()):
            if mount["source"] in made and name not in ("configure", "align"):
                # An image may have files of its own there; they must not get among ours.
                assert mount["read_only"] is True
                assert mount["volume"] == {"nocopy": True}
    # What names groups finds the files that Prometheus loads, and those alone.
    (folder,) = [one for one in SERVICES["align"]["volumes"] if one["source"] in made]
    assert folder["source"] == "prometheus-config"
    assert f"--rules {folder['target']}/rules" in " ".join(SERVICES["align"]["command"])
    assert {one["source"] for one in SERVICES["signer"]["volumes"]} == {
        "signing-key",
        "signer-socket",
    }
    holders = [n for n, one in SERVICES.items() if "signing-key" in str(one.get("volumes"))]
    assert holders == ["signer"]


def test_the_signer_is_another_user_than_the_receivers() -> None:
    signer, receivers = SERVICES["signer"]["user"], SERVICES["receivers"]["user"]
    assert signer.split(":")[0] != receivers.split(":")[0]
    assert signer.split(":")[1] == receivers.split(":")[1]  # or they could not talk


def test_command_lines_use_nothing_that_newer_versions_have_dropped() -> None:
    for name, service in SERVICES.items():
        assert not DROPPED.search(" ".join(service.get("command", ()))), name


def test_what_the_policy_decides_of_prometheus_is_what_its_command_says() -> None:
    timing = load_policy(POLICY, {}).alerting.prometheus
    command = SERVICES["prometheus"]["command"]
    assert f"--storage.tsdb.retention.time={timing.retention_days}d" in command
    assert f"--rules.alert.resend-delay={duration(timing.resend_delay_seconds)}" in command


def test_the_policy_reaches_every_part_by_the_name_of_its_service() -> None:
    alerting = load_policy(POLICY, {}).alerting
    endpoints = [*alerting.endpoints.model_dump().values(), *alerting.prometheus.more_alertmanagers]
    for endpoint in endpoints:
        name, port = split_endpoint(endpoint)
        assert re.search(rf"0\.0\.0\.0:{port}\b", " ".join(SERVICES[name]["command"])), endpoint
        assert "core" in SERVICES[name]["networks"]
    (proxy,) = alerting.dashboard.api.trusted_proxies
    assert SERVICES["proxy"]["networks"]["console"]["ipv4_address"] == proxy


def test_the_receivers_may_listen_for_other_containers_and_still_ask_who_it_is() -> None:
    dashboard = load_policy(POLICY, {}).alerting.dashboard
    require_safe("0.0.0.0", 9465, dashboard)  # noqa: S104 - within a container
    assert dashboard.auth.enabled


def test_the_image_is_built_in_stages_and_runs_as_nobody() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\w+)$", DOCKERFILE, re.M)
    assert [stage for _, stage in stages] == ["build", "riskwarden"]
    assert {
        re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", image) is None for image, _ in stages
    } == {False}
    final = DOCKERFILE.rpartition("FROM ")[2]
    assert re.findall(r"^USER (.+)$", final, re.M) == ["10001:10001"]
    assert "pip install" not in final
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert ignored[0] == "*"
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source


@pytest.mark.parametrize("name", ours())
def test_folders_that_a_service_writes_belong_to_its_user_in_the_image(name: str) -> None:
    made = re.findall(r"install -d ([^&\n]+)", DOCKERFILE.replace("\\\n", " "))
    for mount in SERVICES[name].get("volumes", ()):
        if mount["type"] == "volume" and not mount.get("read_only"):
            (folder,) = [one.split() for one in made if mount["target"] in one.split()]
            assert folder[:2] == ["-o", SERVICES[name]["user"].partition(":")[0]], mount["target"]

"""No secret that the policy knows leaves through anything the service writes, says or answers.

Every field of the policy that takes a secret gets one that is found again however it is
encoded; then everything goes wrong that can, and all that was produced is searched.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from echoing_servers import MANNERS, SPELLINGS, EchoingServer, echoing_mail_server
from loopback_http import Reply
from typer.testing import CliRunner

import risk_alertmanager
from risk_policy import fields, load_policy, parse_policy
from risk_policy.model.policy import Alerting
from risk_policy.secret_keys import revealed_secrets, secrets_of
from risk_receivers.channels import CHANNELS
from risk_receivers.errors import StartError
from risk_receivers.templating.renderer import Renderer
from riskwarden.app import application

CORES = 2


def cores(key: str) -> list[str]:
    """Letters and digits that survive every spelling but base64."""
    return [hashlib.sha256(f"{key}:{n}".encode()).hexdigest()[:20] for n in range(CORES)]


def secret_keys(model: type[Any], path: str) -> Iterator[str]:
    """Every key of the policy that takes a secret, or several."""
    for name, field in model.model_fields.items():
        if fields.is_secret(field):
            yield f"{path}.{name}"
        elif table := fields.submodel(model, name):
            yield from secret_keys(table, f"{path}.{name}")


KEYS = list(secret_keys(Alerting, "alerting"))


def variable(key: str) -> str:
    return key.upper().replace(".", "_")


def planted(key: str, ports: Mapping[str, int]) -> str:
    """A secret of the form that its key asks for."""
    first, second = cores(key)
    here = f"127.0.0.1:{ports.get(key.split('.')[2], 9)}"
    match key.removeprefix("alerting.channels."):
        case "slack.webhook_url":
            return f"http://{here}/services/T0/{first}/{second}"
        case "webhook.url":
            return f"http://user:{first}@{here}/hook?key={second}%2F%C3%A4"
        case "apprise.urls":
            return f"json://user:{first}@{here}/{second}?rto=0.4&cto=0.4"
        case "telegram.bot_token":
            return f"123456:{first}_{second}"
        case "email.password":
            return f"{first} ä\"'\\<&>{second}"
        case _:
            return f"{first}+/='\"\\%<&>{second}"


#: What a channel needs to be told beside its secrets, or it would not run at all.
SETTINGS = {
    "email": "smtp_host = '127.0.0.1'\nsmtp_port = {port}\nusername = 'operator'\n"
    "to_addresses = ['somebody@example.com']",
    "slack": "allowed_users = ['U012AB3CD']",
    "telegram": "chat_id = '7'\napi_url = 'http://127.0.0.1:{port}'",
    "webhook": "",
    "sms": "account_sid = 'AC1'\nfrom_number = '+15005550006'\nto_numbers = ['+15005550007']\n"
    "api_url = 'http://127.0.0.1:{port}'",
    "apprise": "",
}


def policy_text(ports: Mapping[str, int]) -> str:
    """A policy that refers to a secret wherever it can, with every channel on."""
    tables: dict[str, list[str]] = {}
    for key in KEYS:
        table, _, name = key.rpartition(".")
        reference = f"'${{{variable(key)}}}'"
        tables.setdefault(table, []).append(
            f"{name} = {f'[{reference}]' if name == 'urls' else reference}"
        )
    for name, text in SETTINGS.items():
        lines = tables.setdefault(f"alerting.channels.{name}", [])
        lines += ["enabled = true", "min_severity = 'DEBUG'", text.format(port=ports[name])]
        if name != "apprise":
            lines.append("timeout_seconds = 0.4")
    return "".join(f"[{table}]\n{chr(10).join(lines)}\n" for table, lines in tables.items())


def spellings(core: str) -> Iterator[bytes]:
    """How a core may stand in what was produced."""
    yield core.encode()
    yield core.encode().hex().encode()
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + core.encode())
        yield encoded[4:24]  # whole groups of the core alone


def leaks(produced: Mapping[str, bytes]) -> list[str]:
    """Which secrets can be found where."""
    found = []
    for where, content in produced.items():
        in_small = content.lower()
        for key in KEYS:
            texts = [text for core in cores(key) for text in spellings(core)]
            if any(text in content or text in in_small for text in texts):
                found.append(f"{key} in {where}")
    return found


#: The real service, but that a library fails with texts of its own, as some do: in a channel, and
#: in a thread that nobody watches.
WITH_LOOSE_TONGUES = """
import os, sys, threading
import risk_receivers.channels as channels
from risk_receivers.__main__ import main
URL = os.environ["LOOSE_TONGUE"]

class Careless:
    left = 2
    def deliver(self, owed):
        self.left -= 1
        if self.left >= 0:
            threading.Thread(target=self.fail).start()
            self.fail()
    def fail(self):
        raise ValueError(f"cannot connect to {URL}")
    def close(self):
        pass

channels.CHANNELS["console"] = lambda policy, data, render: Careless()
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def servers() -> Iterator[dict[str, EchoingServer]]:
    made = {
        "slack": EchoingServer(Reply(200, "ok")),
        "telegram": EchoingServer(Reply(200, '{"ok": true}'), as_telegram),
        "webhook": EchoingServer(Reply(200, "ok")),
        "sms": EchoingServer(Reply(201, '{"sid": "SM1"}'), as_twilio),
        "apprise": EchoingServer(Reply(200, "ok")),
    }
    with ExitStack() as stack:
        yield {name: stack.enter_context(server) for name, server in made.items()}


def as_telegram(text: str) -> str:
    return json_of({"ok": False, "description": text})


def as_twilio(text: str) -> str:
    return json_of({"code": 20003, "message": text, "status": 401})


def json_of(content: object) -> str:
    return json.dumps(content)


@pytest.fixture
def planted_service(
    stopped: Any, tmp_path: Path, servers: dict[str, EchoingServer]
) -> Iterator[Any]:
    """The real service, every secret planted: half of them in files, half in the environment."""
    with echoing_mail_server(["AUTH", "MAIL", "RCPT", "DATA", "."]) as mail_port:
        ports = {**{name: server.port for name, server in servers.items()}, "email": mail_port}
        secrets = {key: planted(key, ports) for key in KEYS}
        for name, server in servers.items():
            server.secrets = [v for k, v in secrets.items() if f".{name}." in k]
        stopped.environ = {**os.environ, "LOOSE_TONGUE": secrets["alerting.channels.webhook.url"]}
        (tmp_path / "secrets").mkdir()
        for number, (key, secret) in enumerate(secrets.items()):
            if number % 2:
                stopped.environ[variable(key)] = secret
            else:
                file = tmp_path / "secrets" / key
                file.write_text(secret + "\n")
                stopped.environ[f"{variable(key)}_FILE"] = str(file)
        # The first user's name goes on record; their password is planted like the others.
        first_user = variable("alerting.dashboard.auth.username")
        stopped.environ.pop(f"{first_user}_FILE", None)
        stopped.environ[first_user] = "boss"
        stopped.policy.write_text(stopped.policy.read_text() + policy_text(ports))
        stopped.secrets = secrets
        yield stopped


def files_below(folder: Path) -> dict[str, bytes]:
    """Everything that was written, but for the files that hold the secrets."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.parent != folder / "secrets"
    }


def test_the_search_finds_a_secret_however_it_is_spelt() -> None:
    for key in KEYS:
        secret = planted(key, {})
        for number, spell in enumerate(SPELLINGS):
            assert leaks({"log": f"so {spell(secret)} it is".encode()}), (key, number)


def test_a_policy_tells_all_of_its_secrets() -> None:
    ports = dict.fromkeys(SETTINGS, 9)
    environ = {variable(key): planted(key, ports) for key in KEYS}
    policy = parse_policy(policy_text(ports).encode(), environ=environ)
    told = {key.removesuffix(".0") for key, _ in secrets_of(policy)}
    assert told == set(KEYS)
    assert sorted(revealed_secrets(policy, environ)) == sorted(environ.values())
    assert len(KEYS) > 10


def test_no_secret_leaves_the_service_whatever_the_channels_are_answered(
    planted_service: Any,
    servers: dict[str, EchoingServer],
    words: Any,
    tmp_path: Path,
    wait_until: Callable[..., Any],
) -> None:
    service = planted_service
    secret = {key.rpartition(".")[2]: value for key, value in service.secrets.items()}
    answers: dict[str, bytes] = {}

    def ask(method: str, path: str, token: str = secret["operator_token"], **more: Any) -> Any:
        answer = service.call(method, path, token, **more)
        answers[f"{len(answers)} {method} {path[:20]}"] = (
            answer.content + repr(answer.headers).encode()
        )
        return answer

    def metrics() -> str:
        return str(ask("GET", "/metrics", "").text)

    service.start(program=("-c", WITH_LOOSE_TONGUES), prometheus=False)
    for manner in MANNERS:
        for server in servers.values():
            server.misbehave(manner)
        content = words.webhook(words.alert(risk_id=f"planted/{manner}"))
        ask("POST", "/api/v1/notifications", secret["notification_feed_token"], json=content)
        for server in servers.values():  # until all have asked again, whatever became of it
            wait_until(lambda server=server: not server.next, 20, f"{manner} was tried")
    wait_until(lambda: all_are_told(metrics()), 20, "everything is told or given up")

    for role in ("alert_feed_token", "runtime_token", "snapshot_token", "webhook_url"):
        for path in ("/api/v1/system/status", "/api/v1/kill", "/api/v2/alerts", f"/{secret[role]}"):
            ask("POST", path, secret[role], content=b"{")
            ask("GET", path, secret[role], params={"token": secret["operator_token"]})
    for query in ("state", "limit", "after_seq"):
        ask("GET", "/api/v1/alerts", params={query: secret["runtime_token"]})
        ask("GET", "/api/v1/audit", params={query: secret["runtime_token"]})
    ask("POST", "/api/v2/alerts", secret["alert_feed_token"], content=b"[{}, nonsense")
    ask("POST", "/api/v1/runtime/reports", secret["runtime_token"], content=b"{}")
    ask("POST", "/api/v1/kill", json={"mode": "graceful", "reason": "a test", "actor": "tester"})
    for path in ("system/status", "alerts", "audit", "gate", "silences"):
        ask("GET", f"/api/v1/{path}")
    for path in ("/readyz", "/healthz", "/metrics", "/runbooks/DRAWDOWN_WARNING"):
        ask("GET", path, "")
    assert leaks({**answers, **files_below(tmp_path)}) == []
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(20) == 0
    assert leaks(files_below(tmp_path)) == []
    assert "ValueError: cannot connect to" in service.log, "a traceback was printed"
    for name in servers:
        assert f"channel {name} failed" in service.log
    assert "refused the login: 535" in service.log


def all_are_told(exposition: str) -> bool:
    pending = [line for line in exposition.splitlines() if line.startswith("risk_messages_pending")]
    return bool(pending) and all(line.endswith(" 0.0") for line in pending)


@pytest.mark.parametrize(
    ("key", "form"),
    [
        ("alerting.channels.webhook.url", "http://example.com/{}"),
        ("alerting.channels.webhook.url", "https://[{}"),
        ("alerting.channels.slack.webhook_url", "{}"),
        ("alerting.channels.apprise.urls", "nosuchscheme://{}"),
        ("alerting.channels.apprise.urls", "discord://{}"),
    ],
)
def test_no_secret_is_told_by_a_channel_that_cannot_be_made(
    key: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = dict.fromkeys(SETTINGS, 9)
    for name in KEYS:
        monkeypatch.setenv(variable(name), planted(name, ports))
    monkeypatch.setenv(variable(key), form.format(cores(key)[0]))
    policy = parse_policy(policy_text(ports).encode())
    name = key.split(".")[2]
    with pytest.raises(StartError, match=key) as caught:
        CHANNELS[name](policy, tmp_path, Renderer().render_for(name))
    told = "".join(traceback.format_exception(caught.value))
    assert leaks({"the error": told.encode()}) == []


def test_no_secret_is_printed_by_the_command_line_or_generated(
    planted_service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in planted_service.environ.items():
        monkeypatch.setenv(name, value)
    broken = tmp_path / "broken.toml"
    broken.write_text(
        planted_service.policy.read_text().replace("timeout_seconds = 0.4", "timeout_seconds = -1")
        + f"[alerting.auth2]\nx = '${{{variable(KEYS[0])}}}'\n"
    )
    produced: dict[str, bytes] = {}
    good = str(planted_service.policy)
    for policy in (good, str(broken)):
        for command in (
            ("policy", "check"),
            ("policy", "show"),
            ("policy", "show", "--json"),
            ("channels", "preview"),
            ("channels", "lint"),
            ("status", "--receivers", "http://127.0.0.1:9"),
            ("acks", "--receivers", "http://127.0.0.1:9"),
        ):
            result = CliRunner().invoke(application(), [*command, "--policy", policy])
            assert result.exit_code in (0, 1, 2), result.exception
            produced[f"{command} {policy}"] = result.output.encode()
    for number, artefact in enumerate(risk_alertmanager.generate(load_policy(Path(good)))):
        produced[f"artefact {number}"] = str(artefact).encode()
    assert leaks(produced) == []


def test_a_token_that_no_header_takes_is_not_shown(
    planted_service: Any, servers: dict[str, EchoingServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "alerting.auth.operator_token"
    for name, value in planted_service.environ.items():
        if not name.startswith(variable(key)):
            monkeypatch.setenv(name, value)
    for between in ("\n", "\r\nX: ", "ä"):
        monkeypatch.setenv(variable(key), between.join(cores(key)))
        arguments = ("status", "--receivers", servers["webhook"].url)
        result = CliRunner().invoke(
            application(), [*arguments, "--policy", str(planted_service.policy)]
        )
        assert isinstance(result.exception, SystemExit), "no traceback"
        assert leaks({"output": result.output.encode()}) == []
        assert "operator token" in result.output

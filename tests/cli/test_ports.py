"""Stacks that start together never share a port, and leave none taken behind them."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from risk_policy.model.stack import Endpoints
from riskwarden.stack.layout import StackError
from riskwarden.stack.ports import reserved_endpoints
from riskwarden.stack.processes import Processes

WANTED = Endpoints(
    **{name: f"127.0.0.1:{7100 + n}" for n, name in enumerate(Endpoints.model_fields)}
)
HOLD = """
import socket, sys
from risk_policy.model.stack import Endpoints
from riskwarden.stack.ports import reserved_endpoints
kept = []
print(reserved_endpoints(Endpoints(**eval(sys.argv[1])), kept.append).prometheus, flush=True)
sys.stdin.read()
"""


def has_ipv6() -> bool:
    """Whether this machine has a loopback address of the newer family; containers may not."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def ports(endpoints: Endpoints) -> set[str]:
    return set(endpoints.model_dump().values())


def test_two_stacks_of_one_process_have_no_port_in_common(tmp_path: Path) -> None:
    with Processes(tmp_path) as first, Processes(tmp_path) as second:
        one = reserved_endpoints(WANTED, first.keep)
        two = reserved_endpoints(WANTED, second.keep)
        assert one == WANTED
        assert len(ports(one) | ports(two)) == 2 * len(Endpoints.model_fields)
    with Processes(tmp_path) as third:
        assert reserved_endpoints(WANTED, third.keep) == WANTED


def test_a_stack_keeps_its_ports_until_its_command_is_gone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, repr(WANTED.model_dump())]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == WANTED.prometheus
        with Processes(tmp_path) as mine:
            assert not ports(reserved_endpoints(WANTED, mine.keep)) & ports(WANTED)
        other.kill()
        other.wait()
    with Processes(tmp_path) as mine:
        assert reserved_endpoints(WANTED, mine.keep) == WANTED


def test_a_port_that_somebody_listens_on_is_left_to_them(tmp_path: Path) -> None:
    with ExitStack() as stack:
        theirs = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        taken = f"127.0.0.1:{theirs.getsockname()[1]}"
        mine = stack.enter_context(Processes(tmp_path))
        wanted = WANTED.model_copy(update={"prometheus": taken})
        assert reserved_endpoints(wanted, mine.keep).prometheus != taken


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_a_stack_may_run_on_the_newer_family_of_addresses(tmp_path: Path) -> None:
    wanted = Endpoints(
        **{name: f"[::1]:{7200 + n}" for n, name in enumerate(Endpoints.model_fields)}
    )
    with ExitStack() as stack:
        theirs = stack.enter_context(socket.socket(socket.AF_INET6))
        theirs.bind(("::1", 7200))
        theirs.listen()
        mine = stack.enter_context(Processes(tmp_path))
        found = reserved_endpoints(wanted, mine.keep)
        assert found.exporter.startswith("[::1]:")
        assert found.exporter != wanted.exporter
        assert found.receivers == wanted.receivers


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b"])
def test_an_address_of_another_machine_is_named(tmp_path: Path, host: str) -> None:
    wanted = WANTED.model_copy(update={"receivers": f"{host}:9465"})
    with (
        Processes(tmp_path) as mine,
        pytest.raises(StackError, match=rf"alerting.endpoints.receivers: .*{host}"),
    ):
        reserved_endpoints(wanted, mine.keep)

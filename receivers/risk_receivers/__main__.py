"""``python -m risk_receivers --policy P --data DIR [--listen H:P] [--alertmanager H:P] …``.

Exit status: 0 after a stop that was asked for, 2 when it cannot start.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from email.utils import parseaddr
from pathlib import Path

from risk_policy import InvalidPolicyError, Policy, load_policy
from risk_policy.model.addresses import is_wildcard
from risk_policy.model.base import split_endpoint
from risk_policy.secret_keys import revealed_secrets
from risk_receivers.allocator import use_few_heaps
from risk_receivers.channels.envelope import envelope
from risk_receivers.discretion import DiscreetFormatter, log_what_nobody_caught
from risk_receivers.errors import StartError
from risk_receivers.log import PatientHandler
from risk_receivers.server import serve
from risk_receivers.store.errors import StoreError
from risk_receivers.store.own import in_a_folder_of_its_own


def main(arguments: list[str] | None = None) -> int:
    """Run the service; the exit status."""
    options = _options(arguments)
    use_few_heaps()
    formatter = DiscreetFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler = PatientHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    log_what_nobody_caught()
    try:
        policy = load_policy(options.policy)
    except InvalidPolicyError as error:
        return _refuse(str(error))
    discretion = formatter.keep(revealed_secrets(policy), _addresses(policy))
    listen = options.listen or policy.alerting.endpoints.receivers
    try:
        host, port = split_endpoint(listen)
    except ValueError as error:
        return _refuse(f"--listen {listen}: {error}")
    endpoints = policy.alerting.endpoints
    alertmanager = options.alertmanager or endpoints.alertmanager
    prometheus = options.prometheus or endpoints.prometheus
    for option, given in (("--alertmanager", alertmanager), ("--prometheus", prometheus)):
        try:
            split_endpoint(given)
        except ValueError as error:
            return _refuse(f"{option} {given}: {error}")
    # Prometheus knows a service that listens everywhere by the address that the policy says.
    policy = _at(policy, endpoints.receivers if is_wildcard(host) else listen, prometheus)
    if options.own_store:
        policy = in_a_folder_of_its_own(policy)
    try:
        serve(
            *(policy, options.data, host, port, alertmanager),
            take_over_seconds=options.take_over,
            may_start=lambda: _unfit(options.policy),
        )
    except (StartError, StoreError) as error:
        return _refuse(discretion.applied(str(error)))
    return 0


def _unfit(path: Path) -> str:
    """Why a new process would refuse the policy; not in its words, which may be anybody's to read.

    Somebody may be editing it.
    """
    try:
        load_policy(path)
    except InvalidPolicyError:
        return f"{path} is not valid now; see riskwarden policy check"
    return ""


def _addresses(policy: Policy) -> Iterator[str]:
    """Whom mails go to, as it may be spelt by whoever complains about them."""
    for address in policy.alerting.channels.email.to_addresses:
        yield from (address, parseaddr(address)[1], envelope(address))


def _at(policy: Policy, receivers: str, prometheus: str) -> Policy:
    """The policy with the places that are really used."""
    alerting = policy.alerting
    places = {"receivers": receivers, "prometheus": prometheus}
    endpoints = alerting.endpoints.model_copy(update=places)
    return policy.model_copy(
        update={"alerting": alerting.model_copy(update={"endpoints": endpoints})}
    )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="risk_receivers", description="Take alerts in, record them, trip the kill switch."
    )
    parser.add_argument("--policy", type=Path, required=True, help="the policy file")
    parser.add_argument("--data", type=Path, required=True, help="folder of everything it keeps")
    parser.add_argument("--listen", help="host:port; alerting.endpoints.receivers unless given")
    parser.add_argument(
        "--alertmanager", help="host:port; alerting.endpoints.alertmanager unless given"
    )
    parser.add_argument(
        "--own-store",
        action="store_true",
        help="keep all of it in the data folder, whatever the policy says: for what only plays",
    )
    parser.add_argument(
        "--prometheus", help="host:port; alerting.endpoints.prometheus unless given"
    )
    parser.add_argument(
        "--take-over",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="wait so long for another one on this data folder to end, then go on in its place",
    )
    return parser.parse_args(arguments)


def _refuse(message: str) -> int:
    for line in message.splitlines() or [""]:
        print(f"risk_receivers: {line}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())

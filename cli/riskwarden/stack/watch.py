"""Follow a running stack: the runtime's journal by file, the audit chain by API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx

from risk_receivers.audit.verify import verify_database
from riskwarden.stack.layout import StackError
from riskwarden.stack.stack import Stack
from riskwarden.stack.story import Milestone, Story

_PAGE = 500


class Journal:
    """Reads whole lines as they are added to a file that may not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def news(self) -> Iterator[dict[str, Any]]:
        """Records added since the last call."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                data = stream.read()
        except FileNotFoundError:
            return
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        for line in complete.splitlines():
            yield json.loads(line)


class Watcher:
    """Feeds a story from a stack."""

    def __init__(self, stack: Stack, story: Story) -> None:
        self._stack = stack
        self._story = story
        self._journal = Journal(stack.layout.journal)
        self._seq = 0
        token = stack.layout.token("operator_token")
        self._client = httpx.Client(
            base_url=stack.url("receivers"),
            headers={"Authorization": f"Bearer {token}"},
            timeout=5.0,
            trust_env=False,
        )

    def look(self) -> None:
        """Take in everything new. Raises StackError if the chain does not verify."""
        for record in self._journal.news():
            self._story.on_journal(record)
        self._read_chain()
        reached = self._story.milestones.keys()
        if Milestone.RECORDED in reached and Milestone.PROMETHEUS not in reached:
            self._ask_prometheus()
        settled = {Milestone.FLAT, Milestone.BLOCKED} <= self._story.milestones.keys()
        if settled and Milestone.VERIFIED not in self._story.milestones:
            self._verify()

    def _read_chain(self) -> None:
        while True:
            try:
                answer = self._client.get(
                    "/api/v1/audit", params={"after_seq": self._seq, "limit": _PAGE}
                )
            except httpx.TransportError:
                return  # the service may be down for a moment; what it recorded stays there
            if answer.status_code != httpx.codes.OK:
                return
            events = answer.json()["events"]
            for event in events:
                self._seq = event["header"]["seq"]
                self._story.on_audit(
                    event["header"]["event_type"],
                    event["header"]["recorded_at"],
                    event["payload"] or {},
                )
            if len(events) < _PAGE:
                return

    def _ask_prometheus(self) -> None:
        try:
            # Not by the client of the receivers, which shows everybody the operator's token.
            url = f"{self._stack.url('prometheus')}/api/v1/alerts"
            answer = httpx.get(url, timeout=5.0, trust_env=False)
        except httpx.TransportError:
            return
        if answer.status_code == httpx.codes.OK:
            self._story.on_prometheus(answer.json()["data"]["alerts"])

    def _verify(self) -> None:
        result = verify_database(self._stack.layout.database(self._stack.policy))
        if not result.ok:
            problems = "\n".join(str(problem) for problem in result.problems)
            raise StackError(f"the audit chain does not verify:\n{problems}")
        self._story.on_verified(datetime.now(UTC), result.events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

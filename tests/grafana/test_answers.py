"""What panels say, asked of a real Prometheus: the worst first, whichever way that is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grafana_queries
import httpx
import pytest
from figures import Figures, figures
from grafana_queries import Asked, unanswered
from stack_under_test import eventually

CALM = """
risk_kill_switch_tripped 0
risk_kill_switch_armed 1
risk_kill_switch_kills{scope="everything"} 0
risk_kill_switch_kills{scope="account"} 0
risk_exposure_net_ratio{account="main",risk_id="net_exposure/main"} 0.2
risk_exposure_net_ratio{account="shorts",risk_id="net_exposure/shorts"} -1.5
risk_snapshot_age_seconds{account="main",risk_id="snapshot/main"} NaN
risk_threshold{limit="margin",tier="warning"} 2
risk_threshold{limit="margin",tier="critical"} 1.5
risk:limit_value{limit="margin",account="main",risk_id="margin/main"} 2.5
risk:limit_value{limit="margin",account="other",risk_id="margin/other"} 4
risk_threshold{limit="trade_edge",tier="warning"} 0.001
risk:limit_value{limit="trade_edge",account="main",risk_id="trade_edge/main/s"} -0.002
risk_threshold{limit="daily_loss",tier="warning"} -0.02
risk_threshold{limit="daily_loss",tier="critical"} -0.05
risk:limit_value{limit="daily_loss",account="main",risk_id="daily_loss/main"} -0.03
risk_secret_age_seconds{secret="old"} 100
risk_secret_rotate_after_seconds{secret="old"} 50
risk_secret_age_seconds{secret="young"} 10
risk_secret_rotate_after_seconds{secret="young"} 50
risk_secret_rotate_after_seconds{secret="unknown"} 50
""" + "".join(
    f'risk_position_notional{{account="main",symbol="L{number}",sector="x"}} {number}\n'
    for number in range(1, 21)
) + 'risk_position_notional{account="main",symbol="SHORT",sector="x"} -1000000\n'  # fmt: skip


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Figures]:
    with figures(tmp_path_factory.mktemp("answers") / "prometheus") as running:
        running.text = CALM
        eventually(lambda: answers(running, "risk_kill_switch_armed"), 20, "scraped")
        yield running


def answers(shown: Figures, expression: str) -> dict[str, float]:
    """The latest values, by what tells their series apart."""
    text = grafana_queries.replaced(expression, scrape_seconds=1, range_seconds=60)
    answer = httpx.post(
        f"http://{shown.url}/api/v1/query", data={"query": text}, trust_env=False
    ).json()
    assert answer["status"] == "success", answer
    return {
        " ".join(value for _, value in sorted(one["metric"].items())): float(one["value"][1])
        for one in answer["data"]["result"]
    }


def panel(dashboard: str, title: str) -> dict[str, Any]:
    (found,) = [
        one
        for one in grafana_queries.panels(grafana_queries.dashboards()[dashboard])
        if one["title"] == title
    ]
    return found


def said(shown: Figures, dashboard: str, title: str) -> dict[str, float]:
    """What all queries of a panel find."""
    found: dict[str, float] = {}
    for target in panel(dashboard, title)["targets"]:
        found |= answers(shown, target["expr"])
    return found


def test_a_large_short_position_is_among_the_largest(shown: Figures) -> None:
    found = answers(shown, panel("positions", "Notional")["targets"][0]["expr"])
    assert len(found) == 15
    assert found["main SHORT"] == -1_000_000
    assert "main L6" not in found


def test_net_exposure_is_as_large_short_as_it_is_long(shown: Figures) -> None:
    (exposure,) = [
        one
        for one in grafana_queries.panels(grafana_queries.dashboards()["positions"])
        if (one["title"], one["type"]) == ("Net exposure", "stat")
    ]
    assert list(answers(shown, exposure["targets"][0]["expr"]).values()) == [1.5]


def test_what_gets_worse_as_it_falls_has_a_way_to_its_threshold_too(shown: Figures) -> None:
    ways = said(shown, "overview", "Way to the first threshold")
    assert ways["margin"] == pytest.approx(2 / 2.5), "of the account that is nearest to it"
    assert ways["trade_edge"] == 10, "what is gone altogether is as far beyond as a bar says"
    assert ways["daily_loss"] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("tripped", "armed", "everything", "account", "word"),
    [
        (0, 1, 0, 0, "armed"),
        (1, 0, 1, 0, "TRIPPED"),
        (1, 0, 1, 1, "TRIPPED"),
        (0, 1, 0, 2, "PARTLY TRIPPED"),
        (0, 0, 0, 0, "disarmed"),
    ],
)
def test_the_kill_switch_is_told_in_its_worst_word(
    shown: Figures, tripped: int, armed: int, everything: int, account: int, word: str
) -> None:
    shown.text = (
        CALM.replace("tripped 0", f"tripped {tripped}")
        .replace("armed 1", f"armed {armed}")
        .replace('"everything"} 0', f'"everything"}} {everything}')
        .replace('"account"} 0', f'"account"}} {account}')
    )
    words = panel("overview", "Kill switch")["fieldConfig"]["defaults"]["mappings"][0]["options"]

    def told() -> list[str]:
        found = said(shown, "overview", "Kill switch").values()
        return [words[f"{value:g}"]["text"] for value in found]

    eventually(lambda: told() == [word], 20, word)
    shown.text = CALM


def test_messages_that_another_channel_took_over_are_delivered_and_old_ones_are_no_case(
    shown: Figures,
) -> None:
    def told(sent: int, failed: int, moved: int) -> str:
        counted = (
            'risk_messages_total{{channel="mail",outcome="sent"}} {}\n'
            'risk_audit_events_total{{event_type="NOTIFICATION_FAILED"}} {}\n'
            'risk_audit_events_total{{event_type="NOTIFICATION_FAILED_OVER"}} {}\n'
            'risk_messages_dead{{channel="mail"}} 50\n'
        )
        return CALM + counted.format(sent, failed, moved)

    def share() -> list[float]:
        return list(said(shown, "delivery", "Delivered").values())

    try:
        shown.text = told(0, 0, 0)
        eventually(lambda: answers(shown, "risk_messages_dead"), 20, "scraped")
        shown.text = told(6, 2, 2)
        eventually(lambda: share() == [pytest.approx(1)], 20, "all arrived")
        shown.text = told(9, 3, 2)
        eventually(lambda: share() == [pytest.approx(0.9)], 20, "one of ten did not")
    finally:
        shown.text = CALM


def test_secrets_are_overdue_unknown_or_neither(shown: Figures) -> None:
    assert list(said(shown, "security", "Secrets overdue").values()) == [1]
    assert list(said(shown, "security", "Secrets of unknown age").values()) == [1]
    used = answers(shown, panel("security", "How old secrets are")["targets"][0]["expr"])
    assert used == {"old": 2, "young": 0.2}


def test_a_panel_that_nothing_answers_is_found_out(shown: Figures) -> None:
    def asked(expression: str, *, instant: bool) -> Asked:
        return Asked("d", "p", expression, instant)

    for instant in (True, False):
        fine = asked("risk_kill_switch_armed", instant=instant)
        misspelt = asked("risk_kill_switch_alarmed", instant=instant)
        no_number = asked("risk_snapshot_age_seconds", instant=instant)
        wrong_join = asked(
            "risk_kill_switch_armed / on (scope) risk_kill_switch_kills", instant=instant
        )
        every = [fine, misspelt, no_number, wrong_join]
        assert unanswered(f"http://{shown.url}", every, seconds=60) == every[1:]

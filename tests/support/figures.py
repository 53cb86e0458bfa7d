"""What an exporter would say of an account, as a test wants it, scraped by a real Prometheus."""
# ruff: noqa: E501 - lines of an exposition are as long as they are

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from free_ports import free_port
from loopback_prometheus import Part, Prometheus, serving

#: One account with three holdings; nothing is beyond any threshold.
CALM: Final = """
risk_account_info{account="main",currency="EUR"} 1
risk_equity{account="main"} 1042318.5
risk_position_notional{account="main",symbol="AAPL",sector="technology"} 182340.25
risk_position_notional{account="main",symbol="IBM",sector="technology"} 96110
risk_position_notional{account="main",symbol="WTI",sector="energy"} -61240.5
risk_drawdown_ratio{account="main",risk_id="drawdown/main"} 0.041
risk_intraday_drawdown_ratio{account="main",risk_id="intraday_drawdown/main"} 0.006
risk_daily_pnl_ratio{account="main",risk_id="daily_loss/main"} -0.0083
risk_var_limit_usage_ratio{account="main",risk_id="var/main"} 0.58
risk_cvar_limit_usage_ratio{account="main",risk_id="cvar/main"} 0.49
risk_exposure_gross_ratio{account="main",risk_id="gross_exposure/main"} 0.326
risk_exposure_net_ratio{account="main",risk_id="net_exposure/main"} 0.208
risk_leverage_ratio{account="main",risk_id="leverage/main"} 0.33
risk_margin_level_ratio{account="main",risk_id="margin/main"} 4.1
risk_consecutive_losses{account="main",risk_id="consecutive_losses/main"} 1
risk_position_size_ratio{account="main",symbol="AAPL",risk_id="position_size/main/AAPL"} 0.72
risk_position_size_ratio{account="main",symbol="IBM",risk_id="position_size/main/IBM"} 0.46
risk_position_size_ratio{account="main",symbol="WTI",risk_id="position_size/main/WTI"} 0.29
risk_position_return_ratio{account="main",symbol="AAPL",risk_id="position_loss/main/AAPL"} 0.034
risk_position_return_ratio{account="main",symbol="WTI",risk_id="position_loss/main/WTI"} -0.021
risk_sector_concentration_ratio{account="main",sector="technology",risk_id="sector_concentration/main/technology"} 0.267
risk_asset_concentration_ratio{account="main",asset="AAPL",risk_id="asset_concentration/main/AAPL"} 0.175
""".lstrip()
#: The same account in trouble: what is past a threshold is what the alerts of the book are about.
TROUBLE: Final = (
    CALM.replace("0.041", "0.163")
    .replace("-0.0083", "-0.0312")
    .replace("} 0.58", "} 0.91")
    .replace("} 0.49", "} 0.71")
    .replace("0.006", "0.016")
    .replace("} 0.72", "} 0.88")
)
#: What fires in the pictures: name, risk_id, tier, what is said of it, minutes ago, and for how long
#: (0: still).
BOOK: Final = (
    ("POSITION_SIZE_WARNING", "position_size/main/WTI", "warning", "WTI holds 83% of what it may", 301, 34),
    ("SPREAD_SPIKE", "spread/main/IBM", "warning", "the spread of IBM is 61 bps", 248, 9),
    ("DRAWDOWN_WARNING", "drawdown/main", "warning", "drawdown is 10.6%", 199, 62),
    ("DAILY_LOSS_WARNING", "daily_loss/main", "warning", "3.12% are lost today", 74, 0),
    ("VAR_BREACH_WARNING", "var/main", "warning", "value at risk uses 91% of its limit", 41, 0),
    ("POSITION_SIZE_WARNING", "position_size/main/AAPL", "warning", "AAPL holds 88% of what it may", 22, 0),
    ("DRAWDOWN_CRITICAL", "drawdown/main", "critical", "drawdown is 16.3%", 6, 0),
)  # fmt: skip
CATEGORIES: Final = {"position_size": "position", "spread": "execution", "drawdown": "drawdown"}
_CONFIGURATION: Final = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
  - job_name: exporter
    honor_labels: true
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Figures:
    """What is scraped, and the Prometheus that scrapes it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.text = CALM
        #: When the runtime reported last, as Unix time; None: it does so all the time.
        self.reported_at: float | None = None


@contextmanager
def figures(folder: Path) -> Iterator[Figures]:
    """Start both; the figures are asked for anew by every scrape."""
    port = free_port()
    shown = Figures(f"127.0.0.1:{port}")

    class Exporter(Part):
        def scraped(self) -> None:
            at = time.time() if shown.reported_at is None else shown.reported_at
            now = f'risk_snapshot_timestamp_seconds{{account="main"}} {at}\n'
            self.answer((shown.text + now).encode() if shown.text else b"")

    folder.mkdir()
    with serving(Exporter) as scraped:
        (folder / "prometheus.yml").write_text(_CONFIGURATION.format(port=scraped))
        prometheus = Prometheus(folder, port)
        try:
            prometheus.start()
            yield shown
        finally:
            prometheus.end()

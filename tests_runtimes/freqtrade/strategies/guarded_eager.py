"""The same, guarded by the gate of the folder that its environment names."""

from __future__ import annotations

import os

from freqtrade.strategy import IStrategy
from pandas import DataFrame

from risk_runtime.adapters.freqtrade.guard import guarded


@guarded(os.environ.get("GATE_OF_THE_TESTS", "/nonexistent"), account="main")
class GuardedEager(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    minimal_roi = {}
    stoploss = -0.99
    startup_candle_count = 1
    process_only_new_candles = False
    position_adjustment_enable = True

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe["exit_long"] = 0
        return dataframe

    def custom_stake_amount(self, proposed_stake: float, **given: object) -> float:
        return 10_000.0

    def adjust_trade_position(self, trade: object, **given: object) -> float | None:
        return 100.0  # in every round, for ever

    def confirm_trade_exit(self, exit_reason: str, **given: object) -> bool:
        return False  # stubborn

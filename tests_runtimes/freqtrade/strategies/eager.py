"""A strategy that buys whatever it is offered and never sells: what a crash needs."""

from __future__ import annotations

from freqtrade.strategy import IStrategy
from pandas import DataFrame


class Eager(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    minimal_roi = {}
    stoploss = -0.99
    startup_candle_count = 1
    process_only_new_candles = False

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe["exit_long"] = 0
        return dataframe

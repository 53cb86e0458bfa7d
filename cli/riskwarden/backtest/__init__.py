"""`riskwarden backtest`: history in, promtool at work, the verdict on screen and on paper."""

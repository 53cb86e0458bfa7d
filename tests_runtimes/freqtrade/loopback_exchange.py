"""An exchange on loopback that speaks the public part of Binance's spot API.

The prices are those of the committed book, one trading day after the other, as far as a test has
moved them. Candles end at the price of that day; the order book is deep and one tick wide, so that
a market order fills at the price.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from risk_runtime.prices import TradingDay, load_prices

_MINUTE_MS = 60_000
_INTERVALS = {"1m": 1, "5m": 5, "1h": 60, "1d": 1440}
_TICK = 0.01


class LoopbackExchange:
    """Serves what a dry-run bot asks for. Use as a context manager."""

    def __init__(self, start: date) -> None:
        self._days: tuple[TradingDay, ...] = load_prices().between(start, date.max)
        self._day = 0
        self.symbols = tuple(sorted(self._days[0].bars))
        self.requests: list[str] = []
        self.unreachable = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.exchange = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/api/v3"

    def move_to(self, day: date) -> None:
        """Make it this day, or the first trading day after it."""
        self._day = next(i for i, known in enumerate(self._days) if known.date >= day)

    def price(self, symbol: str) -> float:
        """What a symbol costs now."""
        return float(self._days[self._day].bars[symbol].close)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str, query: dict[str, str]) -> Any:
        """The body of an answer, None if there is no such thing."""
        symbol = query.get("symbol", "").removesuffix("USDT")
        match path:
            case "ping":
                return {}
            case "time":
                return {"serverTime": _now_ms()}
            case "exchangeInfo":
                return {
                    "timezone": "UTC",
                    "serverTime": _now_ms(),
                    "rateLimits": [],
                    "exchangeFilters": [],
                    "symbols": [_market(name) for name in self.symbols],
                }
            case "klines":
                return self._candles(symbol, query)
            case "depth":
                price = self.price(symbol)
                return {
                    "lastUpdateId": _now_ms(),
                    "bids": [[f"{price - _TICK:.4f}", "1000000.0"]],
                    "asks": [[f"{price + _TICK:.4f}", "1000000.0"]],
                }
            case "ticker/24hr":
                return (
                    [self._ticker(s) for s in self.symbols] if not symbol else self._ticker(symbol)
                )
        return None

    def _ticker(self, symbol: str) -> dict[str, Any]:
        price = f"{self.price(symbol):.4f}"
        return {
            "symbol": f"{symbol}USDT",
            **dict.fromkeys(
                (
                    *("priceChange", "priceChangePercent"),
                    *("lastQty", "bidQty", "askQty", "volume", "quoteVolume"),
                ),
                "1000",
            ),
            **dict.fromkeys(
                (
                    *("weightedAvgPrice", "prevClosePrice", "lastPrice", "bidPrice", "askPrice"),
                    *("openPrice", "highPrice", "lowPrice"),
                ),
                price,
            ),
            "openTime": _now_ms() - 86_400_000,
            "closeTime": _now_ms(),
            "firstId": 1,
            "lastId": 2,
            "count": 2,
        }

    def _candles(self, symbol: str, query: dict[str, str]) -> list[list[Any]]:
        width = _INTERVALS[query["interval"]] * _MINUTE_MS
        count = int(query.get("limit", "500"))
        last = _now_ms() // width * width
        since = int(query.get("startTime", last - (count - 1) * width))
        until = min(int(query.get("endTime", last)), last)
        price = f"{self.price(symbol):.4f}"
        starts = range(-(-since // width) * width, until + 1, width)
        return [
            [at, price, price, price, price, "1000", at + width - 1, "1000", 10, "500", "500", "0"]
            for at in list(starts)[:count]
        ]


def _now_ms() -> int:
    return int(time.time() * 1000)


def _market(symbol: str) -> dict[str, Any]:
    return {
        "symbol": f"{symbol}USDT",
        "status": "TRADING",
        "baseAsset": symbol,
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": "0.0001",
                "maxPrice": "1000000",
                "tickSize": "0.0001",
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": "0.0001",
                "maxQty": "1000000",
                "stepSize": "0.0001",
            },
            {"filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": True},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        exchange: LoopbackExchange = self.server.exchange  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        exchange.requests.append(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        found = exchange.answer(parts.path.removeprefix("/api/v3/"), query)
        status = 200 if found is not None else 404
        if exchange.unreachable:
            status, found = 503, {"code": -1, "msg": "maintenance"}
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

"""Is the process alive, is it ready, and what are its figures: for whoever runs it."""

from __future__ import annotations

from aiohttp import web

from server.calls import Calls
from server.metrics import CONTENT_TYPE, Metrics


class Health:
    """`/healthz`, `/readyz`, `/metrics`."""

    def __init__(self, calls: Calls, metrics: Metrics) -> None:
        self._calls = calls
        self._metrics = metrics

    def routes(self) -> list[web.AbstractRouteDef]:
        """For `Application.add_routes`."""
        return [
            web.get("/healthz", self.alive),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.figures),
        ]

    async def alive(self, request: web.Request) -> web.Response:
        """200 while the process answers at all."""
        return web.json_response(
            {"status": "alive", "load": self._calls.admission.load.rung.name.lower()}
        )

    async def ready(self, request: web.Request) -> web.Response:
        """200 while calls are taken, 503 once the server stops. A full server is ready: its
        callers are told to try again."""
        admission = self._calls.admission
        calls, limit, rung = admission.calls, admission.limit, admission.load.rung
        is_full = calls >= limit or not admission.load.admits(calls)
        status = "stopping" if admission.is_draining else "full" if is_full else "ready"
        told = {"status": status, "calls": calls, "limit": limit}
        return web.json_response(
            {**told, "load": rung.name.lower(), "rung": rung.value},
            status=503 if admission.is_draining else 200,
        )

    async def figures(self, request: web.Request) -> web.Response:
        """Prometheus' text format."""
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

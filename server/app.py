"""The composition root: settings and engines in, a serving process out. Nothing else builds things.

    async with listening(create_app(settings, stages), settings.server) as url: ...

Start: engines stand already (`server.stages`) → calls → routes → the port. Stop: nobody is let in,
goodbyes are said, calls end, the port closes; the engines are closed last, by who built them.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from agent.call import Call
from agent.load import Load
from media.native import native
from media.pacer import Pacer
from media.voice import VoiceModel, load_voice_model
from server import journal
from server.access import guarding
from server.admission import Admission
from server.caches import CacheFigures
from server.calls import Calls
from server.config import Settings
from server.conversation import Begin, CallObserver, Conversation, Seat
from server.health import Health
from server.load.gauge import Gauge
from server.load.watch import Watch
from server.metrics import LagProbe, Metrics
from server.rehearsal import Rehearsal
from server.settings import ServerSettings
from server.sockets import Sockets
from server.stages import Stages
from server.stays import Stays
from server.tls import Certificate, certificate
from server.tuning import Tidying, tune
from server.version import version
from signaling.access.guard import Guard
from signaling.errors import SignalingError
from signaling.openapi import OpenApi
from signaling.realtime.routes import RealtimeDoors
from signaling.realtime.secrets import ClientSecrets
from signaling.realtime.session import Session
from signaling.routes import Doors, add_headers, errors_as_json
from signaling.whip import WhipDoors

log = logging.getLogger(__name__)

STATIC = Path(__file__).resolve().parent.parent / "static"

DOORS = frozenset({"/offer", "/v1/realtime", "/v1/realtime/calls"})
"""Where calls begin: what is refused there is counted."""

Beside = Callable[[web.Application], AsyncGenerator[None, None]]

CALLS = web.AppKey("calls", Calls)
METRICS = web.AppKey("metrics", Metrics)
SOCKETS = web.AppKey("sockets", Sockets)
GUARD = web.AppKey("guard", Guard)


def create_app(
    settings: Settings,
    stages: Stages,
    *,
    begin: Begin | None = None,
    observers: Sequence[CallObserver] = (),
    secrets: ClientSecrets | None = None,
) -> web.Application:
    """The server as an aiohttp application. `begin` makes conversations (default: real calls);
    `secrets`: client secrets that are good already."""
    metrics = Metrics()
    if stages.caches is not None:
        metrics.registry.register(CacheFigures(stages.caches))
    chosen = [asdict(report) for report in stages.reports]
    watch = Watch(settings.load, stages.queues, load=stages.load, on_reading=metrics.weigh)
    begin = begin or conversations(settings, stages, watch.load)
    native()  # compiled before the first call comes, where it has not been
    pacer = Pacer(_both(metrics.lateness.observe, watch.gauge))
    guard = guarding(settings, secrets)
    stays = Stays(settings.limits)
    ours = (metrics, guard.roster, stays, watch.gauge, Tidying())
    observers = (journal.observe, *(each.observe for each in ours), *observers)
    calls = Calls(
        begin=begin,
        personas=settings.personas,
        language=settings.language,
        server=settings.server,
        ice=settings.ice,
        speaker=settings.speaker,
        line=settings.line,
        pacer=pacer,
        stages=chosen,
        observers=observers,
        admission=Admission(settings.server, watch.load, later=stages.later),
    )
    sockets = Sockets(calls, settings, begin=begin, pacer=pacer, stages=chosen, observers=observers)
    house = replace(sockets.house, transport="webrtc")
    calls.new_session = lambda tongue, config: Session(replace(house, language=tongue), config)
    metrics.reckon(calls.admission.capacity)
    stays.dismissers = (calls.dismiss, sockets.dismiss)
    app = web.Application(
        middlewares=[errors_as_json, _counting(metrics), guard.middleware()],
        client_max_size=settings.limits.body_bytes,
    )
    app[CALLS], app[METRICS], app[SOCKETS], app[GUARD] = calls, metrics, sockets, guard
    _add_routes(app, settings, chosen)
    _live(app, settings, stages, (stays.beside, watch.beside))
    return app


def _live(
    app: web.Application, settings: Settings, stages: Stages, beside: Sequence[Beside]
) -> None:
    """What happens at each answer, while it serves, and at its end."""
    app.on_response_prepare.extend((add_headers, app[GUARD].admit))
    app.on_shutdown.append(_end_calls)
    app.cleanup_ctx.extend((_lag, *beside, Rehearsal(settings, stages).beside))


def _add_routes(
    app: web.Application, settings: Settings, reports: Sequence[Mapping[str, Any]]
) -> None:
    calls, sockets, guard = app[CALLS], app[SOCKETS], app[GUARD]
    doors = Doors(
        calls,
        info=lambda: info(settings, reports, calls),
        static=STATIC,
        guard=guard,
        ice=settings.ice,
    )
    realtime = RealtimeDoors(
        sockets,
        calls,
        guard=guard,
        ice=settings.ice,
        max_message=settings.limits.message_bytes,
    )
    app.add_routes([*doors.routes(), *Health(calls, app[METRICS]).routes()])
    app.add_routes([*realtime.routes(), *WhipDoors(calls).routes()])
    app.add_routes(OpenApi(version()).routes())


def conversations(settings: Settings, stages: Stages, load: Load | None = None) -> Begin:
    """Makes real calls, over the engines that all of them share."""
    voice: VoiceModel = load_voice_model(settings.voice)

    def begin(seat: Seat) -> Conversation:
        return Call(
            call_id=seat.call_id,
            persona=seat.persona,
            engines=stages.engines,
            detector=voice.detector(),
            microphone=seat.microphone,
            speaker=seat.speaker,
            settings=settings.turn,
            emit=seat.emit,
            load=load,
        )

    return begin


def _both(count: Callable[[float], None], gauge: Gauge) -> Callable[[float, float], None]:
    def late(step: float, packets: float) -> None:
        count(packets)
        gauge.lateness(step, asyncio.get_running_loop().time())

    return late


def info(
    settings: Settings, reports: Sequence[Mapping[str, Any]], calls: Calls
) -> Mapping[str, Any]:
    """What `GET /info` tells of the server."""
    default = settings.personas[settings.language]
    return {
        "name": default.name,
        "languages": [
            {"code": code, "name": persona.name} for code, persona in settings.personas.items()
        ],
        "default_language": settings.language,
        "stages": list(reports),
        "calls": calls.admission.calls,
        "limit": calls.admission.limit,
    }


@asynccontextmanager
async def listening(
    app: web.Application, settings: ServerSettings, tls: Certificate | None = None
) -> AsyncGenerator[str, None]:
    """Serves `app` while the block runs; gives its URL. Raises OSError when the port is taken."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        context = tls.context if tls is not None else None
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=context)
        await site.start()
        scheme, port = "https" if tls is not None else "http", runner.addresses[0][1]
        host = "localhost" if settings.host in ("127.0.0.1", "0.0.0.0", "::") else settings.host
        with tls.kept_fresh() if tls is not None else nullcontext():
            yield f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    finally:
        await runner.cleanup()


async def serve(
    settings: Settings,
    stages: Stages,
    *,
    ready: Callable[[str], None] | None = None,
    secrets: ClientSecrets | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then say goodbye to the calls. The engines stay the caller's.

    A second signal stops at once; SIGHUP loads the certificate anew. `ready` is told the URL;
    `secrets` may have been given to somebody already. Raises OSError when the port is taken, or a
    certificate cannot be used.
    """
    tls = certificate(settings.server)
    app = create_app(settings, stages, secrets=secrets)
    tune()
    with _Signals(tls.reload if tls is not None else None) as signals:
        async with listening(app, settings.server, tls) as url:
            if ready is not None:
                ready(url)
            await signals.first.wait()
            await _part(app, signals)


async def _part(app: web.Application, signals: _Signals) -> None:
    calls, sockets = app[CALLS], app[SOCKETS]
    if number := len(calls) + len(sockets):
        log.info("Saying goodbye", extra={"calls": number})
    async with asyncio.TaskGroup() as tasks:
        draining = tasks.create_task(_drain(calls, sockets))
        hurry = tasks.create_task(signals.second.wait())
        await asyncio.wait({draining, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        draining.cancel()
    sockets.stop()
    await calls.stop()


async def _drain(calls: Calls, sockets: Sockets) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(calls.drain())
        tasks.create_task(sockets.drain())


class _Signals:
    """The first and the second time that someone asks the process to stop."""

    def __init__(self, on_hangup: Callable[[], None] | None = None) -> None:
        """`on_hangup`: what SIGHUP does; it ends the process otherwise."""
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self._on_hangup = on_hangup
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> _Signals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._asked)
        if self._on_hangup is not None:
            self._loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._loop.remove_signal_handler(number)

    def _asked(self) -> None:
        if self.first.is_set():
            self.second.set()
        self.first.set()


def _counting(metrics: Metrics) -> Callable[..., Any]:
    @web.middleware
    async def count_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except SignalingError as error:
            if request.path in DOORS:
                metrics.refused(error.code)
            raise

    return count_refusals


async def _end_calls(app: web.Application) -> None:
    app[SOCKETS].stop()
    await app[CALLS].stop()


async def _lag(app: web.Application) -> AsyncGenerator[None, None]:
    probe = LagProbe(app[METRICS].lag)
    probe.start()
    yield
    probe.stop()

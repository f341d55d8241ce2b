"""The composition root: the only place where concrete classes meet, and the tree of everything that runs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import trio
from attrs import frozen

from badge import texts
from badge.backoffice import BackOffice, furnish
from badge.choice import (
    Choice,
    Workshop,
    choose_asr,
    choose_embedder,
    choose_llm,
    choose_tts,
    choose_vad,
    model_folder,
    workshop,
)
from badge.clock import Ids, WallClock
from badge.components import Component
from badge.config.settings import Settings
from badge.config.team import StoreSettings
from badge.edge.activation import Activation
from badge.edge.auth import Gate, signing_key
from badge.edge.console import read_commands
from badge.edge.control import control_path, open_control
from badge.edge.http import make_app, metrics_route, serve_http, sounds_route
from badge.edge.ota import Firmware, http_url
from badge.edge.server import Reception
from badge.housekeeping import settle, tidy
from badge.link import Goodbye
from badge.llms.attempt import Means
from badge.llms.breaker import Breakers
from badge.llms.ledger import Ledger
from badge.llms.live import LiveLlms
from badge.llms.plan import plan_of
from badge.llms.private import PrivateModels
from badge.log import get_log
from badge.metrics import Metrics
from badge.offices.operating import Command, device_commands, operator_commands
from badge.peers.presence import Presence
from badge.phrases import Phrases
from badge.pool import Pool
from badge.recall.erasing import memory_commands
from badge.recording.recorder import Recorder
from badge.services import Services
from badge.stats import broadcast_stats
from badge.storage.memory import MemoryStore
from badge.storage.ports import Store
from badge.storage.sqlite import SqliteStore
from providers.llm.offline import OfflineLlm
from providers.ports import Asr, Embedder, Llm, Tts, Vad

log = get_log(__name__)

BACKLOG = 1024

LAST_WRITES = 10.0
"""Seconds that the last news of sessions have to be stored, and conversations to be worked out, when the server stops."""


class CannotListenError(Exception):
    """An address cannot be had; the message says which, why, and what to do."""


@frozen(kw_only=True)
class Choices:
    """What serves for what."""

    vad: Choice[Vad]
    asr: Choice[Asr]
    llms: dict[str, Choice[Llm]]
    workshop: Workshop
    tts: Choice[Tts]


@frozen(kw_only=True)
class Running:
    """What `serve` reports when badges can connect."""

    host: str
    port: int
    http_port: int
    stop: Callable[[], None]


def choose(settings: Settings, environment: Mapping[str, str], clock: WallClock) -> Choices:
    """Decide on the implementations."""
    folder = model_folder(settings)
    return Choices(
        vad=choose_vad(settings),
        asr=choose_asr(settings, folder, environment),
        llms={name: choose_llm(llm, environment, clock) for name, llm in settings.llm.items()},
        workshop=workshop(environment, clock),
        tts=choose_tts(settings, folder, environment),
    )


@frozen(kw_only=True)
class Server:
    """What sessions share, and who serves all of them."""

    services: Services
    office: BackOffice
    ledger: Ledger
    llms: LiveLlms | None = None
    """models that can be configured anew"""

    @property
    def commands(self) -> dict[str, Command]:
        """What the operator can ask for while it runs."""
        office, presence = self.office, self.services.presence
        return {
            **operator_commands(office.post, presence, self.ledger),
            **device_commands(office.binding.registry, presence),
            **memory_commands(office.memory or office.store.recall),
        }


def open_store(settings: StoreSettings) -> Store:
    """The store that is configured."""
    return SqliteStore(settings) if settings.use == "sqlite" else MemoryStore()


def assemble(settings: Settings, choices: Choices, clock: WallClock, ids: Ids) -> Server:
    """Put together a server."""
    metrics = Metrics()
    ledger = Ledger(metrics)
    llms = live_llms(settings, choices.workshop, ledger, clock)
    presence = Presence(settings.limits.connections)
    office = furnish(
        settings,
        store=open_store(settings.store),
        presence=presence,
        llms=llms,
        clock=clock,
        ids=ids,
        embedder=Component[Embedder]("embeddings", choose_embedder(settings.memory)),
    )
    services = Services(
        settings=settings,
        clock=clock,
        ids=ids,
        presence=presence,
        phrases=Phrases(wake=settings.phrases.wake, exits=settings.phrases.exit),
        vad=Component[Vad]("vad", choices.vad.candidates),
        asr=Component[Asr]("asr", choices.asr.candidates),
        tts=Component[Tts]("tts", choices.tts.candidates),
        llms=llms,
        recall=office.recall,
        desk=office.desk,
        deliveries=office.deliveries,
        private=office.binding.private,
        metrics=metrics,
    )
    return Server(services=services, office=office, ledger=ledger, llms=llms)


def live_llms(settings: Settings, workshop: Workshop, ledger: Ledger, clock: WallClock) -> LiveLlms:
    """The models as configured."""
    means = Means(
        pool=Pool("llm", workshop.make),
        breakers=Breakers(settings.llm_breaker),
        ledger=ledger,
        stand_in=OfflineLlm(clock.now, last=None),
    )
    plan = plan_of(settings.llm, settings.llm_by_purpose, workshop.settle)
    return LiveLlms(plan, means, PrivateModels(workshop.settle))


async def serve(  # noqa: ASYNC128 - the doors report
    server: Server, *, task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve until stopped; `started` when badges can connect. Raises `CannotListenError`, and `StoreError` when the store
    cannot be opened.

    Providers load beside the first connections. On the way out the doors close first, then sessions finish within
    their bound, then what they told is stored, then providers go.
    """
    async with trio.open_nursery() as providers:
        async with trio.open_nursery() as office:
            await office.start(server.office.run)
            await _serve_badges(server, providers, task_status)
            with trio.move_on_after(LAST_WRITES):
                await server.office.settle()
            office.cancel_scope.cancel("the last session has ended")
        providers.cancel_scope.cancel("the last session has ended")


async def _serve_badges(server: Server, providers: trio.Nursery, task_status: trio.TaskStatus[Running]) -> None:
    services = server.services
    settings, ids = services.settings, services.ids
    gate = Gate(settings.auth, signing_key(settings.auth, ids.sentence), services.clock)
    recorder = Recorder(settings.recording, services.clock, services.metrics)
    providers.start_soon(recorder.run)
    async with trio.open_nursery() as sessions:
        async with trio.open_nursery() as doors:
            listeners = await _listen(settings.server.host, settings.server.port)
            port = listeners[0].socket.getsockname()[1]
            activation = Activation(server.office.binding, settings.devices)
            http_port = await _open_http(doors, services, gate, port, activation)
            http_url_for = partial(http_url, settings.server.public_http_url, port=http_port)
            receive = Reception(services, gate, recorder.attend, http_url_for).receive
            await doors.start(partial(trio.serve_listeners, receive, listeners, handler_nursery=sessions))
            for component in services.components():
                providers.start_soon(component.run)
            providers.start_soon(services.llms.run)
            if (path := control_path(settings.store)) is not None:
                await doors.start(open_control, path, server.commands)
            if settings.stats.broadcast:
                doors.start_soon(broadcast_stats, settings.stats, services.presence, services.clock)
            log.info(texts.LOG_STARTED, host=settings.server.host, port=port, online_count=0, online=[])
            stop = doors.cancel_scope.cancel
            task_status.started(
                Running(host=settings.server.host, port=port, http_port=http_port, stop=lambda: stop("stopped"))
            )
        sessions.cancel_scope.deadline = trio.current_time() + settings.timeouts.shutdown_s
        for mailbox in services.presence.everyone():
            mailbox.retire(Goodbye.SHUTDOWN)


async def operate(
    server: Server, announce: Callable[[Running], None], reload: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Serve as a program does: stop on SIGTERM, SIGINT or the console's quit, at once when asked a second time; `reload` on
    SIGHUP."""
    async with trio.open_nursery() as program:
        services = server.services
        running: Running = await program.start(serve_then_end, program.cancel_scope, server)
        await program.start(_obey_signals, running.stop, program.cancel_scope)  # before anybody knows that we are there
        if reload is not None and hasattr(signal, "SIGHUP"):
            await program.start(_obey_reload, reload)
        if services.settings.server.console and sys.stdin is not None:
            program.start_soon(read_commands, sys.stdin.fileno(), services.presence, print, running.stop)
        program.start_soon(tidy, services.presence)
        settle()
        announce(running)


async def serve_then_end(  # noqa: ASYNC128 - `serve` reports
    scope: trio.CancelScope, server: Server, *, task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve, and end everything in `scope` after it."""
    await serve(server, task_status=task_status)
    scope.cancel("the server has stopped")


async def _obey_signals(
    stop: Callable[[], None],
    everything: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name)
            stop()
            break
        async for number in signals:
            log.warning("stopping at once", signal=signal.Signals(number).name)
            everything.cancel("second signal")


async def _obey_reload(
    reload: Callable[[], Awaitable[None]], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        task_status.started()
        async for _ in signals:
            await reload()


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
    except OSError as exc:
        raise cannot_listen(host, port, exc) from None


async def _open_http(doors: trio.Nursery, services: Services, gate: Gate, port: int, activation: Activation) -> int:
    settings = services.settings
    ota = settings.ota
    app = make_app(
        clock=services.clock,
        websocket_port=port,
        websocket_url=settings.server.public_url,
        framing=settings.server.framing or None,
        firmware=Firmware(version=ota.firmware_version, url=ota.firmware_url) if ota.firmware_version else None,
        issue_token=gate.token_for,
        activation=activation,
        routes=[metrics_route(services.metrics), sounds_route(services.sounds)],
    )
    host, http_port = settings.server.host, settings.server.http_port
    try:
        opened: int = await doors.start(partial(serve_http, app, host=host, port=http_port))
    except* OSError as group:
        raise cannot_listen(host, http_port, group.exceptions[0]) from None
    return opened


def cannot_listen(host: str, port: int, error: BaseException) -> CannotListenError:
    """The error that names address, cause and remedy."""
    return CannotListenError(texts.LOG_BIND_FAILED.format(host=host, port=port, error=error))

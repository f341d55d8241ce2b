"""The composition root: the only place where concrete classes meet, and the tree of everything that runs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial

import trio
from attrs import frozen

from badge import texts
from badge.backoffice import BackOffice, furnish
from badge.choice import Choice, choose_asr, choose_llm, choose_tts, choose_vad, model_folder
from badge.clock import Ids, WallClock
from badge.components import Component
from badge.config import Settings
from badge.config_team import StoreSettings
from badge.edge.auth import Gate, signing_key
from badge.edge.console import read_commands
from badge.edge.control import control_path, open_control
from badge.edge.http import make_app, metrics_route, serve_http, sounds_route
from badge.edge.ota import Firmware, http_url
from badge.edge.server import Reception
from badge.housekeeping import settle, tidy
from badge.link import Goodbye
from badge.llms import Llms, purposes
from badge.log import get_log
from badge.offices.operating import operator_commands
from badge.peers.presence import Presence
from badge.phrases import Phrases
from badge.recording.recorder import Recorder
from badge.services import Services
from badge.stats import broadcast_stats
from badge.storage.memory import MemoryStore
from badge.storage.ports import Store
from badge.storage.sqlite import SqliteStore
from providers.ports import Asr, Llm, Recall, Tts, Vad

log = get_log(__name__)

BACKLOG = 1024

LAST_WRITES = 5.0
"""Seconds that the last news of sessions have to be stored when the server stops."""


class CannotListenError(Exception):
    """An address cannot be had; the message says which, why, and what to do."""


@frozen(kw_only=True)
class Choices:
    """What serves for what."""

    vad: Choice[Vad]
    asr: Choice[Asr]
    llms: dict[str, Choice[Llm]]
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
        tts=choose_tts(settings, folder, environment),
    )


@frozen(kw_only=True)
class Server:
    """What sessions share, and who serves all of them."""

    services: Services
    office: BackOffice


def open_store(settings: StoreSettings) -> Store:
    """The store that is configured."""
    return SqliteStore(settings) if settings.use == "sqlite" else MemoryStore()


def assemble(settings: Settings, choices: Choices, clock: WallClock, ids: Ids) -> Server:
    """Put together a server."""
    by_purpose = purposes(settings.llm_by_purpose)
    used = set(by_purpose.values())
    llms = Llms({n: Component[Llm](f"llm.{n}", c.candidates) for n, c in choices.llms.items() if n in used}, by_purpose)
    presence = Presence(settings.limits.connections)
    office = furnish(settings, store=open_store(settings.store), presence=presence, llms=llms, clock=clock, ids=ids)
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
        recall=Component[Recall]("recall", ()),
        desk=office.desk,
        deliveries=office.deliveries,
    )
    return Server(services=services, office=office)


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
            http_port = await _open_http(doors, services, gate, port)
            http_url_for = partial(http_url, settings.server.public_http_url, port=http_port)
            receive = Reception(services, gate, recorder.attend, http_url_for).receive
            await doors.start(partial(trio.serve_listeners, receive, listeners, handler_nursery=sessions))
            for component in services.components():
                providers.start_soon(component.run)
            if (path := control_path(settings.store)) is not None:
                await doors.start(open_control, path, operator_commands(server.office.post, services.presence))
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


async def operate(server: Server, announce: Callable[[Running], None]) -> None:
    """Serve as a program does: stop on SIGTERM, SIGINT or the console's quit, at once when asked a second time."""
    async with trio.open_nursery() as program:
        services = server.services
        running: Running = await program.start(serve_then_end, program.cancel_scope, server)
        await program.start(_obey_signals, running.stop, program.cancel_scope)  # before anybody knows that we are there
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


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
    except OSError as exc:
        raise cannot_listen(host, port, exc) from None


async def _open_http(doors: trio.Nursery, services: Services, gate: Gate, port: int) -> int:
    settings = services.settings
    ota = settings.ota
    app = make_app(
        clock=services.clock,
        websocket_port=port,
        websocket_url=settings.server.public_url,
        framing=settings.server.framing or None,
        firmware=Firmware(version=ota.firmware_version, url=ota.firmware_url) if ota.firmware_version else None,
        issue_token=gate.token_for,
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

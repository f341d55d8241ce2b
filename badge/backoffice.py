"""The back office: the store and those who serve all sessions, opened and closed together."""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import frozen

from badge.clock import Ids, WallClock
from badge.components import Component
from badge.config.settings import Settings
from badge.desk import Desk
from badge.llms import Llms
from badge.machines.base import Watch, unwatched
from badge.meetings.office import Meetings
from badge.offices.binding import BindingOffice, binding_office
from badge.offices.board import Board
from badge.offices.closed import NoMemory, NoTools
from badge.offices.groups import group_of
from badge.offices.post import PostOffice
from badge.offices.reminders import Reminders
from badge.peers.delivery import Delivery
from badge.peers.presence import Presence
from badge.plugin import Offices
from badge.recall.office import Memory
from badge.storage.ports import Store
from badge.tools.mcp.servers import McpServers
from badge.tools.office import ToolOffice
from badge.tools.opening import open_tools
from providers.ports import Embedder, Recall


@frozen(kw_only=True)
class BackOffice:
    """Everything that outlives connections."""

    store: Store
    board: Board
    post: PostOffice
    meetings: Meetings
    reminders: Reminders
    binding: BindingOffice
    memory: Memory | None = None
    """None where nothing is remembered"""
    tools: ToolOffice | None = None
    """None when tools are switched off"""

    @property
    def desk(self) -> Desk:
        """Where sessions ask."""
        return Desk(
            tasks=self.board,
            post=self.post,
            meetings=self.meetings,
            reminders=self.reminders,
            tools=self.tools or NoTools(),
            memory=self.memory or NoMemory(),
            devices=self.binding.devices,
            reports=self.binding.reports,
        )

    @property
    def recall(self) -> Component[Recall]:
        """What is remembered, for those who answer."""
        return Component[Recall]("recall", (self.memory.recaller,) if self.memory is not None else ())

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """What waits for badges: mail, then tasks, then the rest."""
        return self.post, self.board, self.meetings, self.reminders

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the store, then everybody; live until cancelled. Raises `StoreError` when the store cannot be opened."""
        async with trio.open_nursery() as below:
            await below.start(self.store.run)
            async with trio.open_nursery() as nursery:
                offices = (*self.binding.running, self.board, self.post, self.meetings, self.reminders)
                for office in (*offices, self.memory, self.tools):
                    if office is not None:
                        await nursery.start(office.run)
                task_status.started()
            below.cancel_scope.cancel("the offices have closed")

    async def settle(self) -> None:
        """Wait until everything that was told of meetings and of conversations so far is stored, what was said is reported, and
        tools have done what they began; whoever else is told something, stores it before he answers."""
        async with trio.open_nursery() as nursery:
            for office in (self.meetings, self.binding, self.memory, self.tools):
                if office is not None:
                    nursery.start_soon(office.settle)


def offers_tools(settings: Settings) -> bool:
    """Whether any model is ever told of tools: where none is, no plugin and no MCP server is started."""
    wanted = settings.chat.intent != "none" or settings.devices.binding == "console"  # which may want them for a badge
    return wanted and settings.tools.use != "none"


def furnish(
    settings: Settings,
    *,
    store: Store,
    presence: Presence,
    llms: Llms,
    clock: WallClock,
    ids: Ids,
    watch: Watch = unwatched,
    embedder: Component[Embedder] | None = None,
) -> BackOffice:
    """Put together who serves all sessions."""
    groups: Callable[[str], str] = lambda device: group_of(device, settings.workflow)  # noqa: E731
    post = PostOffice(
        store=store,
        presence=presence,
        settings=settings.peer,
        groups=groups,
        clock=clock,
        ids=ids,
        language=settings.asr.language,
    )
    reminders = Reminders(store=store, presence=presence, settings=settings.reminders, clock=clock, ids=ids)
    binding = binding_office(settings, store=store, presence=presence, llms=llms, clock=clock, ids=ids)
    board = Board(store=store, settings=settings.workflow, clock=clock, ids=ids, first=post.handed_over, watch=watch)
    return BackOffice(
        store=store,
        board=board,
        post=post,
        meetings=Meetings(
            store=store,
            presence=presence,
            llms=llms,
            settings=lambda: settings.meeting,
            clock=clock,
            ids=ids,
            tasks=board,
            watch=watch,
        ),
        reminders=reminders,
        memory=Memory(
            store=store.recall,
            llms=llms,
            embedder=embedder or Component("embeddings", ()),
            settings=settings.memory,
            history=settings.chat.history,
            clock=clock,
            ids=ids,
        )
        if settings.memory.use == "local"
        else None,
        tools=None
        if not offers_tools(settings)
        else open_tools(
            settings.tools,
            Offices(tasks=board, reminders=reminders, meetings=store.meetings),
            clock,
            settings.asr.language,
            first=[McpServers(settings.mcp, settings.asr.language)] if settings.mcp else [],
        ),
        binding=binding,
    )

"""Which offices know who a device belongs to: by the settings, with everything that they need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio
from attrs import field, frozen

from badge.clock import Ids, WallClock
from badge.config.settings import Settings
from badge.console.calling import Console
from badge.desk import DeviceDesk, ReportDesk
from badge.llms import Llms
from badge.offices.closed import NoReports, OpenBinding
from badge.offices.devices import CodeBinding, ConsoleBinding
from badge.offices.registry import Registry
from badge.offices.reports import Reports
from badge.peers.presence import Presence
from badge.private import NoPrivate, Private, PrivateProviders
from badge.storage.ports import Store


class Office(Protocol):
    """Something that runs."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Report `started`, and run until cancelled."""


async def _nothing() -> None:
    """There is nothing to wait for."""


@frozen(kw_only=True)
class BindingOffice:
    """Everything about whose devices there are."""

    registry: Registry
    devices: DeviceDesk
    reports: ReportDesk = field(factory=NoReports)
    private: Private = field(factory=NoPrivate)
    running: tuple[Office, ...] = ()
    """what has to run for it"""
    settle: Callable[[], Awaitable[None]] = _nothing
    """waits until what was told so far is where it belongs"""


def binding_office(
    settings: Settings, *, store: Store, presence: Presence, llms: Llms, clock: WallClock, ids: Ids
) -> BindingOffice:
    """Put together what the settings want."""

    def changed(device: str) -> None:
        if (mailbox := presence.find(device)) is not None:
            mailbox.renew()

    registry = Registry(store=store.devices, settings=settings.devices, clock=clock, ids=ids, changed=changed)
    match settings.devices.binding:
        case "open":
            return BindingOffice(registry=registry, devices=OpenBinding())
        case "code":
            return BindingOffice(registry=registry, devices=CodeBinding(registry))
        case "console":
            return _with_console(settings, registry, store, llms, clock)


def _with_console(settings: Settings, registry: Registry, store: Store, llms: Llms, clock: WallClock) -> BindingOffice:
    console = Console(settings.devices.console, settings.auth.manager_secret)
    private = PrivateProviders()
    devices = ConsoleBinding(
        console=console, llms=llms, private=private, settings=settings, store=store.devices, clock=clock
    )
    reports = Reports(console, most=settings.devices.console.report_queue)
    return BindingOffice(
        registry=registry,
        devices=devices,
        reports=reports,
        private=private,
        running=(console, private, reports),
        settle=reports.settle,
    )

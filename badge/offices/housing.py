"""Which offices know who a device belongs to: by the settings, with everything that they need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import trio
from attrs import field, frozen

from badge.clock import Ids, WallClock
from badge.components import Component
from badge.config import Settings
from badge.console.calling import Console
from badge.desk import DeviceDesk, ReportDesk
from badge.llms import Llms, Purpose
from badge.offices.closed import NoReports, OpenHouse
from badge.offices.devices import CodeHouse, ConsoleHouse
from badge.offices.registry import Registry
from badge.offices.reports import Reports
from badge.peers.presence import Presence
from badge.private import Lodgings, NoPrivate, Private
from badge.storage.ports import Store
from providers.ports import Llm


class Office(Protocol):
    """Something that runs."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Report `started`, and run until cancelled."""


async def _nothing() -> None:
    """There is nothing to wait for."""


def _no_keys(_: str) -> Mapping[str, str]:
    return {}


@frozen(kw_only=True)
class HousingOffice:
    """Everything about whose devices there are."""

    registry: Registry
    devices: DeviceDesk
    reports: ReportDesk = field(factory=NoReports)
    private: Private = field(factory=NoPrivate)
    running: tuple[Office, ...] = ()
    """what has to run for it"""
    settle: Callable[[], Awaitable[None]] = _nothing
    """waits until what was told so far is where it belongs"""
    keys: Callable[[str], Mapping[str, str]] = _no_keys
    """purpose -> key of the private model of a device"""

    def llms(self, llms: Llms, device: str) -> Llms:
        """The models that answer for one device."""
        keys = self.keys(device)
        return PrivateLlms(llms, keys, self.private) if keys else llms


class PrivateLlms(Llms):
    """The server's models, but for the purposes that have a key the private ones."""

    def __init__(self, llms: Llms, keys: Mapping[str, str], private: Private) -> None:
        self._llms = llms
        self._keys = keys
        self._private = private

    def of(self, purpose: Purpose, *, device: str = "", private: Mapping[str, str] | None = None) -> Component[Llm]:
        """The model of a purpose."""
        key = self._keys.get(purpose, "")
        return (self._private.component("llm", key) if key else None) or self._llms.of(
            purpose, device=device, private=private
        )


def house_office(settings: Settings, *, store: Store, presence: Presence, clock: WallClock, ids: Ids) -> HousingOffice:
    """Put together what the settings want."""

    def changed(device: str) -> None:
        if (mailbox := presence.find(device)) is not None:
            mailbox.renew()

    registry = Registry(store=store.devices, settings=settings.devices, clock=clock, ids=ids, changed=changed)
    match settings.devices.binding:
        case "open":
            return HousingOffice(registry=registry, devices=OpenHouse())
        case "code":
            return HousingOffice(registry=registry, devices=CodeHouse(registry))
        case "console":
            return _with_console(settings, registry, store, clock)


def _with_console(settings: Settings, registry: Registry, store: Store, clock: WallClock) -> HousingOffice:
    console = Console(settings.devices.console, settings.auth.manager_secret)
    private = Lodgings()
    devices = ConsoleHouse(console=console, private=private, settings=settings, store=store.devices, clock=clock)
    reports = Reports(console, most=settings.devices.console.report_queue)
    return HousingOffice(
        registry=registry,
        devices=devices,
        reports=reports,
        private=private,
        running=(console, private, reports),
        settle=reports.settle,
        keys=devices.keys,
    )

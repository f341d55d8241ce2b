"""Things at home, by Home Assistant."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any

import trio
from attrs import frozen

from badge import texts
from badge.config.tools import HomeSettings
from badge.desk import Tool, ToolResult
from badge.log import get_log
from badge.plugin import Context, tool
from badge.tools.audit import AuditLog, Entry
from badge.tools.functions import functions_of
from badge.tools.results import cut
from badge.tools.source import Request
from badge.tools.trusted import MakeContext, TrustedTools
from badge.tools.web import Web, WebError
from badge.tools.whitelist import Whitelist, is_dangerous
from protocol.identity import normalise

log = get_log(__name__)

_ENTITY = re.compile(r"[a-z0-9_]{1,60}\.[a-z0-9_]{1,120}")
_READABLE = ("light", "climate", "media_player", "switch", "cover", "sensor", "binary_sensor", "weather", "sun")
LONGEST_STATE = 2000


@frozen(kw_only=True)
class _Service:
    """How a command is said to Home Assistant. `value`: the field of its number, which is `scale` times ours."""

    domain: str
    name: str
    value: str = ""
    scale: float = 1.0
    low: float = 0.0
    high: float = 100.0


_SERVICES = {
    ("light_control", "on"): _Service(domain="light", name="turn_on"),
    ("light_control", "off"): _Service(domain="light", name="turn_off"),
    ("light_control", "brightness"): _Service(domain="light", name="turn_on", value="brightness_pct"),
    ("temperature", "set_temperature"): _Service(
        domain="climate", name="set_temperature", value="temperature", low=5, high=35
    ),
    ("music", "play"): _Service(domain="media_player", name="media_play"),
    ("music", "pause"): _Service(domain="media_player", name="media_pause"),
    ("music", "volume"): _Service(domain="media_player", name="volume_set", value="volume_level", scale=0.01),
}
_KINDS = frozenset(kind for kind, _ in _SERVICES)


class Home:
    """Tools that command things, and look at them."""

    def __init__(self, settings: HomeSettings, web: Web, audit: AuditLog) -> None:
        self._settings = settings
        self._web = web
        self._audit = audit
        self._whitelist = Whitelist(settings.allowed)

    @tool(effects=True)
    async def control_home(
        self,
        context: Context,
        kind: Annotated[str, "such as light_control, temperature, music"],
        entity: Annotated[str, "id in Home Assistant, such as light.kitchen"],
        command: Annotated[str, "on, off, brightness; set_temperature; play, pause, volume"],
        value: Annotated[float | None, "per cent for brightness and volume, degrees for set_temperature"] = None,
    ) -> str:
        """Command a thing at home: a light, a thermostat, a music player."""
        if is_dangerous((kind, entity, command)):
            log.warning(texts.LOG_DANGEROUS, id=context.device, cmd=f"{kind} {entity} {command}"[:200])
            return "This command is refused."
        if refusal := self._whitelist.refusal(kind, command):
            return refusal
        service = _service(kind, command)
        if service is None:
            return f"command: nothing is known of {command} for {kind}."
        if problem := _wrong(service, entity, value):
            return problem
        fields: dict[str, Any] = {"entity_id": entity}
        if service.value and value is not None:
            fields[service.value] = round(value * service.scale, 4)
        return await self._execute(context, service, fields)

    @tool
    async def read_home(
        self, entity: Annotated[str, "id in Home Assistant, such as sensor.bedroom_temperature"]
    ) -> str:
        """Tell the state of a thing at home."""
        if not _ENTITY.fullmatch(entity) or entity.split(".")[0] not in _READABLE:
            return f"entity: must be one of {', '.join(f'{domain}.…' for domain in _READABLE)}, not '{entity[:40]}'."
        try:
            page = await self._web.ask(f"{self._settings.url}/api/states/{entity}", headers=self._headers())
            value = page.json()
        except WebError as exc:
            return f"Home Assistant is unavailable right now: {exc}."
        if not isinstance(value, dict):
            return "Home Assistant is unavailable right now: it answered with no state."
        told = {key: value[key] for key in ("state", "attributes", "last_changed") if key in value}
        return cut(json.dumps(told, ensure_ascii=False), LONGEST_STATE)

    async def _execute(self, context: Context, service: _Service, fields: dict[str, Any]) -> str:
        """Send a command that was checked, and write down that it was."""
        result = "cut off: nobody knows whether it was done"
        try:
            await self._web.ask(
                f"{self._settings.url}/api/services/{service.domain}/{service.name}",
                method="POST",
                headers=self._headers(),
                body=fields,
            )
            result = "done"
        except WebError as exc:
            result = f"failed: {exc}"
        finally:
            await self._write(context, service, fields, result)  # noqa: ASYNC102 - shielded, and bounded
        return "Done." if result == "done" else f"Home Assistant is unavailable right now: {result}."

    async def _write(self, context: Context, service: _Service, fields: dict[str, Any], result: str) -> None:
        await self._audit.write(
            Entry(
                time=context.now.isoformat(timespec="milliseconds"),
                device=context.device,
                command=f"{service.domain}.{service.name}",
                arguments=fields,
                result=result,
            )
        )

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._settings.token}"}


def _service(kind: str, command: str) -> _Service | None:
    """What is sent for an allowed command. A kind that is not ours is a domain with its own services."""
    if kind in _KINDS:
        return _SERVICES.get((kind, command))
    return _Service(domain=kind, name=command) if _ENTITY.fullmatch(f"{kind}.{command}") else None


def _wrong(service: _Service, entity: str, value: float | None) -> str:
    """What is wrong with the thing or the number; empty when nothing is."""
    if not _ENTITY.fullmatch(entity) or entity.split(".")[0] != service.domain:
        return f"entity: must begin with '{service.domain}.', not '{entity[:40]}'."
    if service.value and (value is None or not service.low <= value <= service.high):
        return f"value: must be a number from {service.low:g} to {service.high:g}, not {value}."
    return ""


class HomeTools:
    """A `Source`: the tools of `Home`, for devices with permission."""

    def __init__(self, settings: HomeSettings, web: Web, context: MakeContext, threads: trio.CapacityLimiter) -> None:
        self._inside = TrustedTools(functions_of(Home(settings, web, AuditLog(settings))), context, threads)
        self._everybody = "*" in settings.devices
        self._devices = frozenset(map(normalise, settings.devices))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """There is nothing to load."""
        task_status.started()
        await trio.sleep_forever()

    def tools(self, device: str) -> Sequence[Tool]:
        """All of them, or none."""
        return self._inside.tools(device) if self._everybody or device in self._devices else ()

    def seconds(self, tool: str) -> float | None:
        """As long as any."""
        return self._inside.seconds(tool)

    async def call(self, request: Request) -> ToolResult:
        """Call one; the office does so for those only to whom it is offered."""
        return await self._inside.call(request)

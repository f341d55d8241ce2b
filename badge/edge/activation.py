"""Activation: what a badge that is not bound is told when it reports in, and whether it has been bound since."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from badge.config.devices import DevicesSettings
from badge.edge.ota import Report
from badge.log import get_log
from badge.offices.binding import BindingOffice
from badge.offices.registry import Standing
from badge.storage.ports import StoreError
from protocol.identity import MAX_ID
from providers.ports import well_formed

log = get_log(__name__)

TIMEOUT_MS = 30_000
"""How long a badge waits for one answer while it is being activated."""

DONE, PENDING, REFUSED = 200, 202, 403


_TOLD = {
    DONE: "the device is bound",
    PENDING: "the device waits to be bound",
    REFUSED: "the device has to prove that it has the key of its serial number",
}


def told(status: int) -> dict[str, Any]:
    """What a badge is told with a status."""
    return {"success": status == DONE, "message": _TOLD[status]}


class Activation:
    """Offers codes and confirms bindings, as the settings want."""

    def __init__(self, office: BindingOffice, settings: DevicesSettings) -> None:
        self._office = office
        self._settings = settings

    async def standing(self, report: Report) -> Standing:
        """Whether the badge is known to be bound, and otherwise its code, where it can have one. Where nobody has to be
        bound, nobody is."""
        match self._settings.binding:
            case "open":
                return Standing(bound=False)
            case "console":
                terms = await self._office.devices.terms(report.device, report.client)
                return Standing(bound=terms.bound and not terms.unknown, code=terms.code)
        try:
            return await self._office.registry.visit(report.device, report.client, report.serial)
        except StoreError as exc:
            log.error("a badge gets no code", device=report.device, detail=exc.detail)
            return Standing(bound=False)

    def offer(self, report: Report, standing: Standing) -> dict[str, Any] | None:
        """What the answer to a report says about activation; None when there is nothing to do, or nothing that could be
        done."""
        code = standing.code
        if standing.bound or not code:
            return None
        return {
            "code": code,
            "message": "\n".join(filter(None, (self._settings.address, code))),
            "challenge": self._office.registry.challenge(report.device, report.client),
            "timeout_ms": TIMEOUT_MS,
        }

    async def confirm(self, report: Report, body: bytes) -> int:
        """The status for a badge that asks whether it has been bound: 200 done, 202 not yet, 403 when it did not prove
        that it is who it says, which is asked of those whose key is known."""
        try:
            bound, known_serial = await self._bound(report)
        except StoreError as exc:
            log.error("a badge is not told whether it is bound", device=report.device, detail=exc.detail)
            return PENDING
        said = read_proof(body)
        for serial in filter(None, {known_serial, report.serial, _text(said, "serial_number")}):
            key = self._settings.keys.get(serial)
            if key is not None and not self._proves(report, said, key):
                log.warning("a badge did not prove its serial number", device=report.device)
                return REFUSED
        return DONE if bound else PENDING

    async def _bound(self, report: Report) -> tuple[bool, str]:
        """Whether the badge is bound, and with which serial number it came before."""
        match self._settings.binding:
            case "open":
                return True, ""
            case "console":
                terms = await self._office.devices.terms(report.device, report.client)
                return terms.bound and not terms.unknown, ""
        record = await self._office.registry.get(report.device)
        return (False, "") if record is None else (record.admits(report.client), record.serial)

    def _proves(self, report: Report, said: Mapping[str, Any], key: str) -> bool:
        challenge = self._office.registry.challenge(report.device, report.client)
        expected = hmac.digest(bytes.fromhex(key), challenge.encode(), hashlib.sha256).hex()
        return hmac.compare_digest(_text(said, "hmac").lower().encode(), expected.encode())


def read_proof(body: bytes) -> Mapping[str, Any]:
    """What a badge says to prove itself, which some wrap in a `Payload`; nothing when it is no JSON."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    inner = value.get("Payload") if isinstance(value, dict) else None
    said = inner if isinstance(inner, dict) else value
    return said if isinstance(said, dict) else {}


def _text(said: Mapping[str, Any], key: str) -> str:
    value = said.get(key)
    return well_formed(value) if isinstance(value, str) and len(value) <= MAX_ID else ""

"""The registry: who belongs here, by codes that badges tell and the operator types."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Callable

import trio
from attrs import frozen

from badge.clock import Ids, WallClock, milliseconds
from badge.config.devices import DevicesSettings
from badge.desk import RefusedError
from badge.log import get_log
from badge.storage.ports import DeviceStore, StoreError
from badge.storage.registry import CODE_DIGITS, DeviceEdit, DeviceRecord, Visit, needs_code
from protocol.identity import MAX_ID, normalise

log = get_log(__name__)

CANDIDATES = 8
"""Codes that are drawn at once: one of them is free, however many are in use."""

LONGEST_NAME = 100

LONGEST_CODE = 12
"""Digits from which on something is no mistyped code any more: so many has the id of a network card."""

HOUR = 3_600_000


@frozen(kw_only=True)
class Standing:
    """Whether a device is served, and the code by which it can be bound otherwise; without one there is no room for it now."""

    bound: bool
    code: str = ""


class Registry:
    """Gives codes to those who come, and binds whom the operator names."""

    def __init__(
        self,
        *,
        store: DeviceStore,
        settings: DevicesSettings,
        clock: WallClock,
        ids: Ids,
        changed: Callable[[str], None],
    ) -> None:
        """`changed` is told which device was bound, unbound or renamed."""
        self._store = store
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._changed = changed
        self._allowance = Allowance(settings.codes_per_minute)
        self._secret = ids.sentence()

    async def visit(self, device: str, client: str, serial: str = "") -> Standing:
        """A device comes. Raises `StoreError`."""
        now = milliseconds(self._clock)
        codes: tuple[str, ...] = ()
        if needs_code(await self._store.get(device), client, now):
            codes = self._draw()
        expires = now + round(self._settings.code_hours * HOUR)
        visit = Visit(device=device, client=client, serial=serial[:MAX_ID], at=now, codes=codes, expires=expires)
        record = await self._store.visit(visit, most=self._settings.pending)
        if codes and record.code in codes:
            log.info("a device waits to be bound", device=device)
        return Standing(bound=True) if record.admits(client) else Standing(bound=False, code=record.code)

    async def get(self, device: str) -> DeviceRecord | None:
        """What is known of a device. Raises `StoreError`."""
        return await self._store.get(device)

    def challenge(self, device: str, client: str) -> str:
        """What a device has to sign to prove who it is; another one after each start of the server."""
        return hmac.digest(self._secret.encode(), f"{device}|{client}".encode(), hashlib.sha256).hex()[:32]

    # --- the operator ---

    async def known(self) -> tuple[DeviceRecord, ...]:
        """All devices, those that were seen last first. Raises `RefusedError`."""
        try:
            return await self._store.known()
        except StoreError as exc:
            raise _trouble(exc) from exc

    async def bind(self, target: str, owner: str | None = None) -> DeviceRecord:
        """Bind the device that told this code, or the one with this id, also before it has ever come. Raises `RefusedError`."""
        owner = None if owner is None else _name(owner)
        try:
            device, client = await self._meant(target)
        except StoreError as exc:
            raise _trouble(exc) from exc
        return await self._edit(device, DeviceEdit(bound=True, client=client, owner=owner))

    async def _meant(self, target: str) -> tuple[str, str | None]:
        """The device that is meant by a code or an id, and the client id that waits there. Raises `RefusedError`, also for
        digits that are no code: whoever mistypes one has bound nobody."""
        code = _digits(target)
        if len(code) == CODE_DIGITS:
            waiting = await self._store.of_code(code, now=milliseconds(self._clock))
            if waiting is not None:
                return waiting.device, waiting.asking
        device = _device(target)
        known = await self._store.get(device)
        if known is not None:
            return device, known.asking if known.code else None
        if len(code) == CODE_DIGITS:
            raise RefusedError(
                "no-such-code",
                f"no badge waits with the code {code}: it may have expired; let the badge connect again, and take the code "
                "that it tells then",
            )
        if code:
            raise RefusedError("no-such-code", f"a code has {CODE_DIGITS} digits, {target.strip()} has {len(code)}")
        return device, None

    async def unbind(self, device: str) -> DeviceRecord:
        """The device belongs to nobody any more; one that belongs to nobody keeps its code. Raises `RefusedError`."""
        known = await self._known(device)
        if not known.bound:
            return known
        return await self._edit(known.device, DeviceEdit(bound=False, client=""))

    async def rename(self, device: str, name: str) -> DeviceRecord:
        """Call a device so. Raises `RefusedError`."""
        name = _name(name)
        known = await self._known(device)
        return await self._edit(known.device, DeviceEdit(name=name))

    async def _known(self, device: str) -> DeviceRecord:
        device = _device(device)
        try:
            known = await self._store.get(device)
        except StoreError as exc:
            raise _trouble(exc) from exc
        if known is None:
            raise RefusedError("unknown-device", f"{device}: there is no such device; `devices list` shows all")
        return known

    async def _edit(self, device: str, edit: DeviceEdit) -> DeviceRecord:
        try:
            record = await self._store.edit(device, edit, now=milliseconds(self._clock))
        except StoreError as exc:
            raise _trouble(exc) from exc
        if edit.bound is not None:
            log.info("a device was bound" if edit.bound else "a device was unbound", device=device)
        self._changed(device)
        return record

    def _draw(self) -> tuple[str, ...]:
        if not self._allowance.take(trio.current_time()):
            log.warning("no more codes in this minute", most=self._settings.codes_per_minute)
            return ()
        return tuple(f"{int(self._ids.sentence(), 16) % 10**CODE_DIGITS:0{CODE_DIGITS}}" for _ in range(CANDIDATES))


class Allowance:
    """So many in a minute, all at once or one after the other."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._left = float(per_minute)
        self._since = 0.0

    def take(self, now: float) -> bool:
        """Take one at a time in s, if there is one."""
        self._left = min(self._per_minute, self._left + (now - self._since) * self._per_minute / 60)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _digits(target: str) -> str:
    """The digits of what looks like a code, also with blanks or dashes between; empty for what does not, such as the id of a
    network card."""
    text = "".join(unicodedata.normalize("NFKC", target).replace("-", " ").split())
    return text if text.isascii() and text.isdigit() and len(text) < LONGEST_CODE else ""


def _name(text: str) -> str:
    name = " ".join(text.split())
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise RefusedError("bad-name", f"a name has at most {LONGEST_NAME} printable characters")
    return name


def _device(text: str) -> str:
    device = normalise(text)
    if not device or len(device) > MAX_ID or not device.isprintable():
        raise RefusedError("bad-device", f"{text!r} is neither a code of {CODE_DIGITS} digits nor the id of a device")
    return device


def _trouble(exc: StoreError) -> RefusedError:
    return RefusedError("not-stored", str(exc))

"""Private providers: those that the console has configured for single devices. Devices with the same settings share one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, Protocol

import attrs
import trio

from badge.boundary import boundary
from badge.components import Component
from badge.log import get_log
from providers.asr.pocketsphinx import PocketsphinxAsr, PocketsphinxSettings
from providers.asr.vosk import VoskAsr, VoskSettings
from providers.ports import Provider
from providers.tts.espeak import EspeakSettings, EspeakTts
from providers.tts.piper import PiperSettings, PiperTts
from providers.vad.energy import EnergySettings, EnergyVad
from providers.vad.silero import SileroSettings, SileroVad

log = get_log(__name__)

PrivateKind = Literal["tts", "asr", "vad"]

MOST = 64
"""Providers at one time. When one more is wanted, the least recently used one is stopped, unless it was used within `IN_USE`
seconds; then there is no room."""

IN_USE = 900.0

Make = Callable[[Mapping[str, Any]], Provider]


class Private(Protocol):
    """Where private settings are handed in, and who gets the provider that they make."""

    def admit(self, kind: PrivateKind, settings: Mapping[str, Any]) -> str:
        """Take settings in; gives a key that says nothing about them, empty when they make no provider."""

    def component(self, kind: PrivateKind, key: str) -> Component[Any] | None:
        """The provider of a key; None when there is none, any more."""


class NoPrivate:
    """A `Private` that has nothing."""

    def admit(self, _kind: PrivateKind, _settings: Mapping[str, Any]) -> str:
        """Nothing is taken in."""
        return ""

    def component(self, _kind: PrivateKind, _key: str) -> Component[Any] | None:
        """There is none."""
        return None


@attrs.define(eq=False)
class _Kept:
    component: Component[Any]
    asked: float
    scope: trio.CancelScope = attrs.Factory(trio.CancelScope)


class PrivateProviders:
    """A `Private` that keeps providers, each started when it is first admitted."""

    def __init__(self, makers: Mapping[tuple[str, str], Make] | None = None, *, most: int = MOST) -> None:
        """`makers`: what makes a provider of settings, by kind and the `type` in them."""
        self._makers = MAKERS if makers is None else makers
        self._most = most
        self._keys: dict[str, str] = {}  # settings -> key
        self._kept: dict[str, _Kept] = {}
        self._count = 0
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep them until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    def admit(self, kind: PrivateKind, settings: Mapping[str, Any]) -> str:
        """Take settings in."""
        make = self._makers.get((kind, str(settings.get("type", "")).lower()))
        if make is None or self._nursery is None:
            return ""
        same = json.dumps([kind, settings], sort_keys=True, default=str)
        key = self._keys.get(same, "")
        if key in self._kept:
            self._kept[key].asked = trio.current_time()
            return key
        if not self._has_room():
            log.warning("there is no room for another private provider", kind=kind, most=self._most)
            return ""
        with boundary("private settings", log):  # whatever is in them, it is no reason to fail
            return self._begin(kind, same, make(settings))
        return ""

    def component(self, kind: PrivateKind, key: str) -> Component[Any] | None:
        """The provider of a key."""
        kept = self._kept.get(key) if key.startswith(f"{kind}.") else None
        if kept is None:
            return None
        kept.asked = trio.current_time()
        return kept.component

    def _begin(self, kind: str, same: str, provider: Provider) -> str:
        assert self._nursery is not None
        self._count += 1
        key = f"{kind}.private-{self._count}"
        self._keys[same] = key
        self._kept[key] = kept = _Kept(Component(key, (provider,)), trio.current_time())
        self._nursery.start_soon(partial(self._keep, kept))
        return key

    async def _keep(self, kept: _Kept) -> None:
        with kept.scope, boundary("private provider", log):
            await kept.component.run()

    def _has_room(self) -> bool:
        if len(self._kept) < self._most:
            return True
        key, oldest = min(self._kept.items(), key=lambda one: one[1].asked)
        if trio.current_time() - oldest.asked < IN_USE:
            return False
        oldest.scope.cancel("others need the room")
        del self._kept[key]
        self._keys = {same: theirs for same, theirs in self._keys.items() if theirs != key}
        return True


def fitting(cls: type[Any], settings: Mapping[str, Any]) -> Any:
    """Settings of a class, of whatever fits it among those that came."""
    made = cls()
    for name, attribute in attrs.fields_dict(cls).items():
        try:
            value = _like(attribute.default, settings.get(name))
            if value is not None:
                made = attrs.evolve(made, **{name: value})
        except (ValueError, OverflowError):
            log.info("a private setting is out of range, and left as it is", setting=name)
    return made


def _like(default: Any, value: Any) -> Any:
    """A value as what the default is; None when it is something else. Raises `OverflowError`."""
    if type(default) in (int, float) and type(value) is str:
        value = _number(value)
    if type(default) is float and type(value) is int:
        value = float(value)
    return value if type(value) is type(default) else None


def _number(text: str) -> int | float | None:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return None


MAKERS: Mapping[tuple[str, str], Make] = {
    ("tts", "espeak"): lambda settings: EspeakTts(fitting(EspeakSettings, settings)),
    ("tts", "piper"): lambda settings: PiperTts(fitting(PiperSettings, settings)),
    ("asr", "vosk"): lambda settings: VoskAsr(fitting(VoskSettings, settings)),
    ("asr", "pocketsphinx"): lambda settings: PocketsphinxAsr(fitting(PocketsphinxSettings, settings)),
    ("vad", "silero"): lambda settings: SileroVad(fitting(SileroSettings, settings)),
    ("vad", "energy"): lambda settings: EnergyVad(fitting(EnergySettings, settings)),
}
"""What the server can make of private settings, by kind and type."""

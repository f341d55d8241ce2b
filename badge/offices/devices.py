"""Who a device belongs to, and how it is served: by a registry of our own, or by a console."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import attrs
import trio
from attrs import field, frozen

from badge import texts
from badge.clock import WallClock
from badge.config.llm import LlmSettings
from badge.config.settings import Settings
from badge.console.answers import MalformedAnswerError, PrivateConfig, Unbound, read_answer, shown
from badge.console.calling import Console, ConsoleError
from badge.desk import Terms
from badge.llms import Llms, Purpose
from badge.log import get_log
from badge.offices.registry import Registry
from badge.pool import UnfitError
from badge.private import Private, PrivateKind, fitting
from badge.storage.ports import DeviceStore, StoreError
from providers.llm.openai_settings import OpenAiSettings

log = get_log(__name__)

TERMS_WITHIN = 5.0
"""Seconds within which it is decided how to serve a device."""

MOST_KEPT = 10_000
"""Devices of which the last answer of the console is kept."""

AGENT_MODELS = "/config/agent-models"

_SELECTED: dict[str, PrivateKind] = {"VAD": "vad", "ASR": "asr", "TTS": "tts"}


@frozen(kw_only=True)
class _Kept:
    """The last good answer about a device."""

    terms: Terms
    plugins: Mapping[str, Mapping[str, Any]] = field(factory=dict, repr=False)
    at: float


class Tally:
    """How much each device may have spoken to it in a day."""

    def __init__(self, store: DeviceStore, clock: WallClock) -> None:
        self._store = store
        self._clock = clock
        self._limits: dict[str, int] = {}

    def limit(self, device: str, characters: int) -> None:
        """So many characters a day; 0 for any number."""
        if characters:
            self._limits[device] = characters
        else:
            self._limits.pop(device, None)

    async def spoke(self, device: str, characters: int) -> bool:
        """So many were spoken; false when they are used up."""
        limit = self._limits.get(device, 0)
        if not limit:
            return True
        try:
            total = await self._store.speak(device, self._clock.now().date().isoformat(), characters)
        except StoreError as exc:
            log.error("what was spoken is not counted", device=device, detail=exc.detail)
            return True
        return total < limit


class CodeBinding:
    """A `DeviceDesk` that serves those whom the operator has bound."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def terms(self, device: str, client: str) -> Terms:
        """Served as the settings of the server say, or not at all. When that cannot be looked up the device is served: it is
        no fault of its own."""
        try:
            with trio.fail_after(TERMS_WITHIN):
                standing = await self._registry.visit(device, client)
        except (StoreError, trio.TooSlowError) as exc:
            log.error("the registry of devices cannot be read", device=device, error=str(exc) or "too slow")
            return Terms(unknown=True)
        return Terms(bound=standing.bound, code=standing.code)

    async def spoke(self, _device: str, _characters: int) -> bool:  # noqa: ASYNC124 - a question at the desk
        """There is no limit."""
        return True


class ConsoleBinding:
    """A `DeviceDesk` that asks a console."""

    def __init__(
        self,
        *,
        console: Console,
        llms: Llms,
        private: Private,
        settings: Settings,
        store: DeviceStore,
        clock: WallClock,
    ) -> None:
        self._console = console
        self._llms = llms
        self._private = private
        self._settings = settings
        self._tally = Tally(store, clock)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def terms(self, device: str, client: str) -> Terms:
        """What the console says; while it says nothing, what it said last, and else that nobody knows."""
        begun = trio.current_time()
        selected = {kind: getattr(self._settings, name).use for kind, name in _SELECTED.items()}
        body = {"macAddress": device, "clientId": client, "selectedModule": selected}
        try:
            answer = await self._console.call(AGENT_MODELS, body, within=self._settings.devices.console.timeout_s)
            said = read_answer(answer)
        except (ConsoleError, MalformedAnswerError) as exc:
            log.warning("the console does not say how to serve a device", device=device, reason=str(exc))
            return self._last(device)
        if isinstance(said, Unbound):
            log.info("the device is not bound", device=device, has_code=bool(said.code))
            return self._keep(device, Terms(bound=False, code=said.code), {})
        seconds = f"{trio.current_time() - begun:.2f}"
        log.info(texts.LOG_PRIVATE_CONFIG, seconds=seconds, config=shown(answer["data"]), device=device)
        return self._keep(device, self._terms(said, device), said.plugins or {})

    async def spoke(self, device: str, characters: int) -> bool:
        """So many characters were spoken; false when the device has used up what it may have in a day."""
        with trio.move_on_after(TERMS_WITHIN):
            return await self._tally.spoke(device, characters)
        return True

    def plugins(self, device: str) -> Mapping[str, Mapping[str, Any]]:
        """The settings of plugins for one device, as the console said last."""
        kept = self._kept.get(device)
        return kept.plugins if kept is not None else {}

    def _keep(self, device: str, terms: Terms, plugins: Mapping[str, Mapping[str, Any]]) -> Terms:
        self._kept[device] = _Kept(terms=terms, plugins=plugins, at=trio.current_time())
        self._kept.move_to_end(device)
        if len(self._kept) > MOST_KEPT:
            forgotten, _ = self._kept.popitem(last=False)
            self._tally.limit(forgotten, 0)
        self._tally.limit(device, terms.longest_output)
        self._llms.assign(device, terms.llms)
        return terms

    def _last(self, device: str) -> Terms:
        kept = self._kept.get(device)
        if kept is None or trio.current_time() - kept.at > self._settings.devices.console.keep_s:
            return Terms(unknown=True)
        log.info("the last answer of the console is used", device=device)
        return kept.terms

    def _terms(self, config: PrivateConfig, device: str) -> Terms:
        if config.malformed:
            log.warning("plugins with settings that are no JSON are left out", device=device, plugins=config.malformed)
        key, forgets = self._own_model(config, device), self._forgets(config)
        terms = Terms(
            prompt=config.prompt,
            memory="" if forgets else config.memory,
            forgets=forgets,
            llms=dict.fromkeys(map(str, Purpose), key) if key else {},
            vad=self._admitted("VAD", config, device),
            asr=self._admitted("ASR", config, device),
            tts=self._admitted("TTS", config, device),
            longest_output=config.longest_output,
            reported=config.reported,
        )
        return self._with_intent(terms, config)

    def _own_model(self, config: PrivateConfig, device: str) -> str:
        """The key of the device's own language model; empty where the server's answer."""
        module = config.modules.get("LLM")
        if module is None:
            return ""
        if module.type == "openai":
            with suppress(UnfitError):
                return self._llms.admit(own_model(module.settings))
        log.warning("a private model cannot be used: the server's answers", device=device, type=module.type)
        return ""

    def _admitted(self, kind: str, config: PrivateConfig, device: str) -> str:
        """The key of a private provider; empty where the server's own serves. Of ears another type is wanted, or nothing."""
        module = config.modules.get(kind)
        if module is None or not module.settings or (kind != "TTS" and module.type == self._type_of(kind)):
            return ""
        name = _SELECTED[kind]
        key = self._private.admit(name, {**module.settings, "type": module.type})
        if not key:
            log.warning(
                "a private provider cannot be used: the server's serves", device=device, kind=name, type=module.type
            )
        return key

    def _type_of(self, kind: str) -> str:
        return str(getattr(self._settings, _SELECTED[kind]).use)

    @staticmethod
    def _forgets(config: PrivateConfig) -> bool:
        memory = config.modules.get("Memory")
        return memory is not None and memory.type == "nomem"

    @staticmethod
    def _with_intent(terms: Terms, config: PrivateConfig) -> Terms:
        intent = config.modules.get("Intent")
        functions = tuple(config.plugins) if config.plugins is not None else None
        match intent.type if intent is not None else "":
            case "nointent":
                return attrs.evolve(terms, intent="none")
            case "function_call":
                return attrs.evolve(terms, intent="function_call", functions=functions)
            case "intent_llm":
                return attrs.evolve(terms, intent="intent_llm", functions=functions)
        return attrs.evolve(terms, functions=functions)


def own_model(settings: Mapping[str, Any]) -> LlmSettings:
    """A language model by the names that consoles use: `url` or `base_url`, `model_name` or `model`, `api_key`."""
    wanted = {
        **settings,
        "base_url": str(settings.get("base_url") or settings.get("url") or ""),
        "model": str(settings.get("model_name") or settings.get("model") or OpenAiSettings().model),
        "api_key": str(settings.get("api_key") or ""),
        "api_key_env": "",
        "api_key_file": "",
        "extra": None,
    }
    return LlmSettings(use="openai", openai=fitting(OpenAiSettings, wanted))

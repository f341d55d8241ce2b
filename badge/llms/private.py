"""The models that devices have of their own: known by a key that tells nothing, because it is written down in recordings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import attrs

from badge.config.llm import LlmSettings, Purpose
from badge.llms.plan import PRIVATE, Endpoint, Settle, endpoint_of

MOST = 10_000
"""Models, and devices; whichever was not used for the longest time is forgotten, and made known again by the next terms."""


class PrivateModels:
    """Models by key, and the keys of devices."""

    def __init__(self, settle: Settle) -> None:
        self._settle = settle
        self._models: OrderedDict[str, Endpoint] = OrderedDict()
        self._keys: dict[Endpoint, str] = {}
        self._devices: OrderedDict[str, Mapping[str, str]] = OrderedDict()
        self._last = 0

    @property
    def endpoints(self) -> list[Endpoint]:
        """All models."""
        return list(self._models.values())

    def admit(self, settings: LlmSettings) -> str:
        """Make a model known; gives its key, which is the same for settings that say the same. A key of the server, in its
        environment or its files, is never used for it, nor is another model of the server. Raises `UnfitError`."""
        openai = attrs.evolve(settings.openai, api_key_env="", api_key_file="")
        endpoint = endpoint_of(PRIVATE, attrs.evolve(settings, openai=openai), self._settle)
        key = self._keys.get(endpoint)
        if key is None:
            self._last += 1
            key = self._keys[endpoint] = f"{PRIVATE}-{self._last}"
        self._models[key] = endpoint
        self._models.move_to_end(key)
        if len(self._models) > MOST:
            del self._keys[self._models.popitem(last=False)[1]]
        return key

    def assign(self, device: str, keys: Mapping[str, str]) -> None:
        """These are the models of a device, by purpose; none: it has none any more."""
        self._devices.pop(device, None)
        if keys:
            self._devices[device] = dict(keys)
        if len(self._devices) > MOST:
            self._devices.popitem(last=False)

    def key_for(self, purpose: Purpose, device: str) -> str:
        """The key of a device's own model; empty when it has none. Where it has some, but none for this purpose, that of
        the conversation counts: the models of the server are not meant for it."""
        if device in self._devices:
            self._devices.move_to_end(device)
        keys = self._devices.get(device, {})
        return keys.get(purpose) or keys.get("default") or keys.get(Purpose.CHAT) or ""

    def find(self, key: str) -> Endpoint | None:
        """A model by its key; None when it is not known (any more)."""
        if key in self._models:
            self._models.move_to_end(key)
        return self._models.get(key)

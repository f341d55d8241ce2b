"""What all sessions share."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from badge.clock import Ids, WallClock
from badge.components import Component
from badge.config.settings import Settings
from badge.desk import Desk
from badge.llms import Llms
from badge.machines.base import Watch, unwatched
from badge.metrics import Metrics
from badge.peers.delivery import Delivery
from badge.peers.presence import Presence
from badge.phrases import Phrases
from badge.private import NoPrivate, Private
from badge.sounds import Sounds
from badge.tenancy import FREE, Tenancy
from providers.ports import Asr, Recall, Tts, Vad


@frozen(kw_only=True)
class Services:
    """Settings, providers and registries, put together in one place and handed to every session."""

    settings: Settings
    clock: WallClock
    ids: Ids
    presence: Presence
    phrases: Phrases
    vad: Component[Vad]
    asr: Component[Asr]
    tts: Component[Tts]
    llms: Llms
    recall: Component[Recall]
    desk: Desk
    deliveries: tuple[Delivery, ...] = ()
    watch: Watch = unwatched
    metrics: Metrics = field(factory=Metrics)
    sounds: Sounds = field(factory=Sounds)
    private: Private = field(factory=NoPrivate)
    tenancy: Tenancy = FREE

    def components(self) -> list[Component[Any]]:
        """Everything that has to load."""
        return [self.vad, self.asr, self.tts, self.recall, *self.llms.components()]

    @property
    def intent(self) -> str:
        """How the tool that is wanted is found out for this badge; see `chat.intent`."""
        return self.tenancy.terms.intent or self.settings.chat.intent

    def failures(self) -> list[tuple[str, str]]:
        """Kind and reason of every component that could not start."""
        return [(c.kind, c.failure.detail) for c in self.components() if c.failure is not None]

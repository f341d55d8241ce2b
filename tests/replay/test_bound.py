"""Replay of sessions whose badge belongs to somebody: terms, private providers and a binding in between happen again."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio

from badge.components import Component
from badge.desk import Terms
from badge.llms import Purpose
from badge.private import NoPrivate
from badge.recording.fileformat import parse
from badge.recording.recorder import session_settings
from badge.recording.records import Kind
from badge.replay.script import script_of
from badge.replay.search import replay
from providers.scripted import ScriptedAsr, ScriptedLlm, ScriptedTts
from tests.house import Guest, House, changed
from tests.replay import stories
from tests.session.test_binding import Counter


class Owned(House):
    """A house with private providers, whose desk gives these terms; the second when somebody says that they have changed."""

    def __init__(self, nursery: trio.Nursery, *, terms: list[Terms], **rest: Any) -> None:
        super().__init__(nursery, settings=changed(devices={"binding": "console"}), **rest)
        made: dict[str, Any] = {
            "llm.private-1": ScriptedLlm(["I am yours. Truly."]),
            "tts.private-2": ScriptedTts(load=1.0),
            "asr.private-3": ScriptedAsr(["who are you"]),
        }
        components = {key: Component[Any](key, (provider,)) for key, provider in made.items()}
        for component in components.values():
            nursery.start_soon(component.run)
        private = NoPrivate()
        private.component = lambda _, key: components.get(key)  # type: ignore[method-assign]
        counter = Counter(*terms, within=0.7)
        desk = attrs.evolve(self.services.desk, devices=counter, reports=counter)
        self.services = attrs.evolve(self.services, desk=desk, private=private)
        OWNED.append(self)


OWNED: list[Owned] = []

MINE = Terms(
    prompt="You are Ann's.",
    llms=dict.fromkeys(map(str, Purpose), "llm.private-1"),
    tts="tts.private-2",
    asr="asr.private-3",
    reported="audio",
    longest_output=500,
)


async def bound(badge: Guest) -> None:
    badge.tell(type="listen", state="detect", text="who are you")
    await badge.until("tts", "stop")
    await badge.speak()
    await badge.until("tts", "stop", count=2)


async def bound_meanwhile(badge: Guest) -> None:
    badge.tell(type="listen", state="detect", text="who are you")
    await badge.until("tts", "stop")
    mailbox = OWNED[-1].services.presence.find("aa:bb:cc:00:00:01")
    assert mailbox is not None
    await trio.sleep(5)
    mailbox.renew()
    await trio.sleep(5)
    badge.tell(type="listen", state="detect", text="who are you")
    await trio.sleep(5)


@pytest.mark.req("PC-1", "PC-2", "PC-9")
@pytest.mark.parametrize(
    ("story", "terms"),
    [
        (bound, [MINE]),
        (bound, [Terms(unknown=True)]),
        (bound_meanwhile, [Terms(bound=False, code="123456"), MINE]),
    ],
)
def test_a_session_with_terms_is_repeated_identically(
    monkeypatch: pytest.MonkeyPatch, story: Any, terms: list[Terms]
) -> None:
    monkeypatch.setattr(stories, "House", Owned)
    recorded = parse("test", stories.told(story, terms=terms))
    kinds = [record.kind for record in recorded.records]
    assert (Kind.RENEW in kinds) == (story is bound_meanwhile)
    found = replay(script_of(recorded, partly=True))
    assert found.identical, found.divergence.render()  # type: ignore[union-attr]
    if terms[-1] is MINE:
        told = [record.data for record in recorded.records if record.kind is Kind.LLM_OPEN]
        assert {data[1] for data in told} == {"llm.default"}  # a private model has no name of its own here


def test_settings_in_a_recording_hold_no_secret_of_devices() -> None:
    settings = changed(devices={"binding": "code", "keys": {"SN-1": "00" * 16}})
    assert session_settings(settings)["devices"] == {"binding": "code"}

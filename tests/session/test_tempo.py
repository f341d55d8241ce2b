"""The silence that ends an utterance goes by how long the user pauses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from badge.desk import Past, RefusedError
from badge.session.session import Session
from providers.scripted import ScriptedAsr, ScriptedTts, Utterance
from tests.house import Guest, House, changed

ADAPTIVE = changed(
    listen={"adaptive": True, "adaptive_min_ms": 300, "adaptive_max_ms": 1000, "eager": False}, memory={"use": "none"}
)
DEVICE = "aa:bb:cc:00:00:01"


class Notebook:
    """A memory desk that keeps pauses, and answers after a while."""

    def __init__(self, pauses: Sequence[float] = (), *, delay: float = 0.0, refuses: bool = False) -> None:
        self.known = {DEVICE: tuple(pauses)}
        self.asked: list[str] = []
        self._delay = delay
        self._refuses = refuses

    async def past(self, device: str) -> Past:
        self.asked.append(device)
        await trio.sleep(self._delay)
        if self._refuses:
            raise RefusedError("busy", "Not now.")
        return Past(pauses=self.known.get(device, ()))

    def paused(self, device: str, pauses: Sequence[float]) -> None:
        self.known[device] = tuple(pauses)

    def said(self, *_: Any) -> None: ...

    def over(self, *_: Any) -> None: ...


def house_with(nursery: trio.Nursery, notebook: Notebook, **kwargs: Any) -> House:
    kwargs.setdefault("settings", ADAPTIVE)
    tts = ScriptedTts(lambda _: Utterance(duration=0.06))
    house = House(nursery, asr=ScriptedAsr(["hello"]), tts=tts, **kwargs)
    house.services = attrs.evolve(house.services, desk=attrs.evolve(house.services.desk, memory=notebook))
    return house


async def utterance(badge: Guest, *pauses: float, mode: str = "auto") -> float:
    """Words with pauses between them; gives the seconds from their end until they were understood."""
    before = len(badge.of("stt"))
    badge.tell(type="listen", state="start", mode=mode)
    await badge.sound("voice", 0.3)
    for pause in pauses:
        await badge.sound("silence", pause)
        await badge.sound("voice", 0.3)
    ended = trio.current_time()
    await badge.sound("silence", 1.5)
    await badge.until("tts", "stop", count=before + 1)
    return badge.times("stt")[before] - ended


@pytest.mark.req("AV-1")
async def test_who_hardly_pauses_is_answered_sooner(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    badge = await house_with(nursery, Notebook()).enter()
    assert await utterance(badge, *[0.12] * 4) == pytest.approx(0.5, abs=0.07)
    assert await utterance(badge, *[0.12] * 4) == pytest.approx(0.5, abs=0.07)  # known from now on
    assert await utterance(badge) == pytest.approx(0.3, abs=0.07)


@pytest.mark.req("AV-1")
async def test_who_was_cut_off_is_waited_for(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    """In realtime the user speaks on while his first words are being answered."""
    notebook = Notebook([0.24] * 20)
    badge = await house_with(nursery, notebook).enter()
    badge.tell(type="listen", state="start", mode="realtime")
    await badge.quiet()
    for _ in range(3):
        await badge.sound("voice", 0.6)
        await badge.sound("silence", 0.72)
    await badge.sound("silence", 2)
    count = len(badge.of("stt"))
    assert count > 1
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 0.72)
    await badge.sound("voice", 0.6)
    await badge.sound("silence", 2)
    assert len(badge.of("stt")) == count + 1


async def test_what_was_learned_is_known_on_the_next_connection(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    notebook = Notebook()
    house = house_with(nursery, notebook)
    badge = await house.enter()
    await utterance(badge, *[0.12] * 9)
    assert notebook.asked == [DEVICE]
    badge.vanish()
    await badge.gone.wait()
    assert len(notebook.known[DEVICE]) == 9
    assert all(0.1 <= pause <= 0.15 for pause in notebook.known[DEVICE])
    again = await house.enter()
    assert notebook.asked == [DEVICE]
    await utterance(again, 0.12)
    assert await utterance(again) == pytest.approx(0.3, abs=0.07)
    assert notebook.asked == [DEVICE, DEVICE]


@pytest.mark.parametrize("notebook", [Notebook(delay=20.0), Notebook(refuses=True)], ids=["slow", "refuses"])
async def test_nobody_waits_for_what_was_learned(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, notebook: Notebook
) -> None:
    badge = await house_with(nursery, notebook).enter()
    assert await utterance(badge) == pytest.approx(0.5, abs=0.07)


async def test_without_a_memory_it_is_known_as_long_as_the_connection_lasts(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    house = House(nursery, settings=ADAPTIVE, tts=ScriptedTts(lambda _: Utterance(duration=0.06)))
    badge = await house.enter()
    await utterance(badge, *[0.12] * 9)
    assert await utterance(badge) == pytest.approx(0.3, abs=0.07)
    badge.vanish()
    await badge.gone.wait()
    assert await utterance(await house.enter()) == pytest.approx(0.5, abs=0.07)


async def test_who_holds_a_button_down_takes_his_time(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    notebook = Notebook()
    badge = await house_with(nursery, notebook).enter()
    badge.tell(type="listen", state="start", mode="manual")
    for _ in range(12):
        await badge.sound("voice", 0.3)
        await badge.sound("silence", 0.9)
    badge.tell(type="listen", state="stop")
    await badge.until("tts", "stop")
    badge.vanish()
    await badge.gone.wait()
    assert notebook.known[DEVICE] == ()


async def test_switched_off_nobody_is_asked(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    notebook = Notebook([0.12] * 20)
    house = house_with(nursery, notebook, settings=changed(listen={"adaptive": False}, memory={"use": "none"}))
    badge = await house.enter()
    assert await utterance(badge, *[0.12] * 10) == pytest.approx(0.5, abs=0.07)
    badge.vanish()
    await badge.gone.wait()
    assert notebook.asked == []
    assert notebook.known[DEVICE] == (0.12,) * 20
    assert isinstance(badge.session, Session)

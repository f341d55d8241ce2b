"""The steps of a random walk."""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Awaitable, Callable, Sequence

import structlog
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from badge.link import Goodbye
from protocol import Framing
from tests.house import changed
from tests.walk.moods import MOODS
from tests.walk.stage import Stage
from tests.walk.street import Street
from tests.walk.teamsteps import AWAY, DEVICES, WHO, TeamSteps, somebody_is_here

CROWD, MOST = 4, 14
"""Connections at one time, those included that are about to close, and in one walk."""

GARBAGE = [
    "{",
    "7",
    "plain words",
    "[]",
    '{"type":"no such type"}',
    '{"type":5}',
    '{"type":"listen"}',
    '{"type":"listen","state":"nonsense"}',
    '{"type":"mcp","payload":{}}',
    '{"type":"hello","audio_params":"loud"}',
    "x" * 2000,
    b"",
    b"\x01",
    b"\x02" * 17,
    bytes(40_000),
]

FEATURES = st.fixed_dictionaries({"partials": st.booleans(), "ledger": st.booleans(), "emoji": st.booleans()})
MODE = st.sampled_from(["auto", "manual", "realtime"])
KIND = st.sampled_from(["voice", "silence"])


class Walk(TeamSteps):
    """Badges of two devices and a stranger, and their steps; every step ends when nothing moves any more without time passing."""

    # --- the house ---

    @initialize(
        seed=st.integers(0, 9999),
        barge_in=st.sampled_from(["realtime", "always", "never"]),
        new_words=st.sampled_from(["interrupt", "interrupt", "wait"]),
        no_voice_s=st.sampled_from([600.0, 600.0, 3.0]),
        vad_load=st.sampled_from([0.0, 0.0, 5.0]),
        moods=st.fixed_dictionaries({kind: st.sampled_from(moods) for kind, moods in MOODS.items()}),
    )
    def open_the_house(
        self, seed: int, barge_in: str, new_words: str, no_voice_s: float, vad_load: float, moods: dict[str, str]
    ) -> None:
        """Everything is as by default, but for what makes the greatest differences."""
        structlog.configure(processors=[self.note_log])
        self.settings = changed(
            listen={"barge_in": barge_in},
            chat={"new_words": new_words},
            timeouts={"no_voice_s": no_voice_s},
            coding={"insight_interval_s": 5.0},
        )
        self.stage = Stage(seed)

        async def build() -> Street:
            return Street(self.stage.nursery, self.settings, self.stage.let_pass, vad_load=vad_load)

        self.street = self.stage.do(build)
        for kind, mood in moods.items():
            getattr(self.street, kind).mood = mood
        for device in DEVICES:
            self.step(self.street.connect, device, Framing.V1, "pcm", {"partials": True})

    @rule(change=st.sampled_from([(kind, mood) for kind, moods in MOODS.items() for mood in moods]))
    def a_provider_changes(self, change: tuple[str, str]) -> None:
        """From now on it answers differently."""
        getattr(self.street, change[0]).mood = change[1]

    @rule(seconds=st.sampled_from([0.05, 0.2, 0.7, 2.0, 5.0, 12.0, 70.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        """Nobody does anything."""
        self.step(self.stage.let_pass, seconds)

    @rule(hours=st.integers(-100_000, 100_000))
    def the_wall_clock_steps(self, hours: int) -> None:
        """Somebody sets the clock."""
        self.street.house.clock.moment += datetime.timedelta(hours=hours)

    @rule()
    def news_for_everybody(self) -> None:
        """The house sends something to everybody."""
        self.step(_plainly(self.street.news))

    @rule(sure=st.integers(0, 7))
    def shutdown(self, sure: int) -> None:
        """Everybody has to go, once in a while."""
        if sure == 7:
            for mailbox in self.street.house.services.presence.everyone():
                self.step(_plainly(lambda mailbox=mailbox: mailbox.retire(Goodbye.SHUTDOWN)))

    # --- coming and going ---

    @precondition(lambda self: len(self.street.here) < CROWD and len(self.street.passers) < MOST)
    @rule(
        device=st.sampled_from([*DEVICES * 2, AWAY]),
        framing=st.sampled_from(Framing),
        audio_format=st.sampled_from(["pcm", "pcm", "opus"]),
        features=FEATURES,
    )
    def connect(self, device: str, framing: Framing, audio_format: str, features: dict[str, bool]) -> None:
        """A badge comes, perhaps once more."""
        self.step(self.street.connect, device, framing, audio_format, features)

    @somebody_is_here
    @rule(who=WHO, how=st.sampled_from(["stay", "stay", "leave", "vanish"]))
    def go(self, who: int, how: str) -> None:
        """A badge closes its connection, or is out of reach all at once, now and then."""
        if how != "stay":
            self.step(getattr(self.pick(who), how))

    @somebody_is_here
    @rule(who=WHO)
    def stop_reading(self, who: int) -> None:
        """A badge takes nothing from the wire any more."""
        self.step(_plainly(self.pick(who).stop_reading))

    @precondition(lambda self: any(not passer.reading.is_set() for passer in self.street.here))
    @rule()
    def read_again(self) -> None:
        """All badges read."""
        for passer in self.street.here:
            self.step(_plainly(passer.reading.set))

    # --- messages ---

    @somebody_is_here
    @rule(who=WHO, features=FEATURES)
    def hello_again(self, who: int, features: dict[str, bool]) -> None:
        """A badge has changed."""
        self.step(lambda: self.pick(who).tell(type="hello", features=features))

    @somebody_is_here
    @rule(who=WHO, state=st.sampled_from(["start", "stop"]), mode=st.none() | MODE)
    def microphone(self, who: int, state: str, mode: str | None) -> None:
        """The microphone opens or closes."""
        self.listen(self.pick(who), mode, state)

    @somebody_is_here
    @rule(who=WHO, seconds=st.sampled_from([0.05, 0.3, 1.5, 4.0]))
    def ask(self, who: int, seconds: float) -> None:
        """A badge asks something, and waits a little."""
        passer = self.pick(who)
        passer.held.clear()
        self.listen(passer, None, "detect", text=f"question after {self.now:g} s")
        self.step(self.stage.let_pass, seconds)

    @somebody_is_here
    @rule(
        who=WHO,
        text=st.sampled_from(["what time is it", "how are you", "你好小智", "goodbye", " ", "", "[device_call]dinner"]),
        mode=st.none() | MODE,
    )
    def detect(self, who: int, text: str, mode: str | None) -> None:
        """A wake word, typed words, or none."""
        passer = self.pick(who)
        passer.held.clear()
        self.listen(passer, mode, "detect", text=text)

    @somebody_is_here
    @rule(who=WHO)
    def abort(self, who: int) -> None:
        """A badge wants silence."""
        passer = self.pick(who)
        passer.held.clear()
        self.expect_silence(passer)
        self.step(lambda: passer.tell(type="abort"))

    @somebody_is_here
    @rule(who=st.none() | WHO)
    def ping(self, who: int | None) -> None:
        """A badge asks for a sign of life, or all do."""
        for passer in self.street.here if who is None else [self.pick(who)]:
            self.step(passer.ping)

    @precondition(lambda self: any(not passer.reading.is_set() for passer in self.street.here))
    @rule()
    def flood(self) -> None:
        """A badge that does not read asks for more than anybody would keep for it."""
        passer = next(passer for passer in self.street.here if not passer.reading.is_set())
        for _ in range(6):
            self.step(_times(50, passer.ping))

    @somebody_is_here
    @rule(who=WHO, what=st.sampled_from(GARBAGE))
    def garbage(self, who: int, what: str | bytes) -> None:
        """A badge sends what makes no sense; what happens to be audio is noted as such."""
        passer = self.pick(who)
        if isinstance(what, str) or passer.framing is not Framing.V1 or not 0 < len(what) < 32_000:
            self.step(passer.send, what)

    # --- sound ---

    @somebody_is_here
    @rule(who=WHO, kind=KIND, frames=st.integers(1, 16), paced=st.booleans())
    def sound(self, who: int, kind: str, frames: int, paced: bool) -> None:
        """Voice or silence."""
        passer = self.pick(who)
        self.step(lambda: passer.sound(kind, frames, paced=paced))

    @somebody_is_here
    @rule(who=WHO, mode=st.none() | MODE, frames=st.integers(3, 12))
    def say_something(self, who: int, mode: str | None, frames: int) -> None:
        """Words and the silence after them; the server finds the end."""
        passer = self.pick(who)
        if mode is not None:
            self.listen(passer, mode, "start")
        self.step(lambda: passer.sound("voice", frames, paced=True))
        self.step(lambda: passer.sound("silence", 10, paced=True))

    @somebody_is_here
    @rule(who=WHO, frames=st.integers(1, 12), paced=st.booleans())
    def push_to_talk(self, who: int, frames: int, paced: bool) -> None:
        """An utterance that the badge itself bounds: every frame of it has to be recognised."""
        passer = self.pick(who)
        self.listen(passer, "manual", "start")
        begin, ready = len(passer.sent), passer.state in ("open", "warned")
        self.step(lambda: passer.sound("voice", frames, paced=paced))
        if passer.state in ("open", "warned"):
            self.listen(passer, "manual", "stop")
            if ready and len(passer.sent) > begin:
                passer.held.append((begin, len(passer.sent)))


def only(names: Sequence[str]) -> type[Walk]:
    """A walk with these kinds of steps alone."""
    others = {
        name: None
        for name, step in inspect.getmembers(Walk)
        if hasattr(step, "hypothesis_stateful_rule") and name not in names
    }
    return type("NarrowWalk", (Walk,), others)


def _plainly(act: Callable[[], object]) -> Callable[[], Awaitable[None]]:
    async def step() -> None:
        act()

    return step


def _times(count: int, act: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    async def step() -> None:
        for _ in range(count):
            await act()

    return step

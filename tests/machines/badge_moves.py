"""What a badge can do to a session, and what its ear finds out: one move each, only where it can really happen."""

from __future__ import annotations

import json
from collections.abc import Callable

from attrs import frozen

from badge import texts
from tests.machines.world import Terms, World, packet

EARLY = 2
"""Items that come while the detector loads."""

LONGEST = 62
"""Seconds without audio after which no utterance goes on, whatever bounds it."""


@frozen(eq=False)
class Move:
    """One thing that can happen. `fires`: the events that it may send to the machines. `waits`: it needs nobody but the
    server, its timers, and providers at their worst. `asks`: a new plan may come of it."""

    name: str
    may: Callable[[World], bool]
    make: Callable[[World], None]
    fires: frozenset[str] = frozenset()
    waits: bool = False
    asks: bool = False


def move(
    name: str,
    may: Callable[[World], bool],
    make: Callable[[World], None],
    fires: str = "",
    *,
    waits: bool = False,
    asks: bool = False,
) -> Move:
    """A move; `fires` are names with spaces between."""
    return Move(name, may, make, frozenset(fires.split()), waits, asks)


# --- the badge ---


def _reads(world: World) -> bool:
    return world.life in ("open", "warned", "superseded", "closing")


def _early_full(world: World) -> bool:
    """So much has come early that the badge pauses; it goes on when the ear has caught up."""
    early = world.talk._ear._early if world.talk else None
    return early is not None and (world.loaded or len(early) >= EARLY)


def _message(name: str, fires: str, *, asks: bool = False, **fields: str) -> Move:
    frame = json.dumps(fields)
    to_ear = fields.get("state") in ("start", "stop")

    def may(world: World) -> bool:
        return _reads(world) and not (to_ear and _early_full(world))

    return move(name, may, lambda world: world.session.receive(frame), fires, asks=asks)


def _audio(
    name: str, fires: str, *packets: bytes, may: Callable[[World], bool] = lambda _: True, asks: bool = False
) -> Move:
    def make(world: World) -> None:
        for data in packets:
            world.session.receive(data)

    return move(name, lambda world: _reads(world) and may(world) and not _early_full(world), make, fires, asks=asks)


def _could_whisper(world: World) -> bool:
    track = world.talk and world.talk._ear._track
    return bool(track and track.armed and not track.voiced)


def _captures(world: World) -> bool:
    return world.talk is not None and world.talk._ear.capturing


def _nobody_in_sight(world: World) -> bool:
    ear = world.talk and world.talk._ear
    return _reads(world) and bool(ear and not ear._expecting and ear._early is None)


def _long_silence(world: World) -> None:
    world.talk._ear._quiet = world.terms.settings.timeouts.no_voice_s
    world.session.receive(packet("nothing"))


def badge_moves(terms: Terms) -> list[Move]:
    """Messages and sounds."""
    starts = [
        _message(f"listen start {mode}", "listen close", type="listen", state="start", mode=mode)
        for mode in terms.modes
    ]
    words = {
        "wake word": texts.WAKE_WORDS[0],
        "plain words": "hello",
        "exit words": texts.EXIT_COMMANDS[0],
        "blank": " ",
    }
    typed = [
        _message(
            f"listen detect, {what}",
            "heard abort nothing_heard close",
            asks=True,
            type="listen",
            state="detect",
            text=text,
        )
        for what, text in words.items()
    ]
    return [
        *starts,
        _message("listen stop", "stop", type="listen", state="stop"),
        *typed,
        _message("abort", "abort close", type="abort"),
        *([_message("ping", "", type="ping")] if terms.idles else []),
        _audio("a voice", "listen nothing_heard close", packet("voice")),
        _audio("half a word", "nothing_heard", packet("whisper"), may=_could_whisper),
        _audio("a pause", "stop nothing_heard heard", packet("silence"), may=lambda w: w.talk is not None, asks=True),
        _audio("too much audio", "stop", *[packet("voice", 32000)] * 4, may=_captures),
        move("ten minutes of silence", _nobody_in_sight, _long_silence, "heard", asks=True),
        move("a while passes", _may_grow_rare, _grow_rare),
    ]


def _may_grow_rare(world: World) -> bool:
    return world.talk is not None and world.session.traits.mode == "manual" and world.life != "closed"


def _grow_rare(world: World) -> None:
    world.clock.now += world.terms.settings.listen.vad_fallback_s


# --- the ear's own task, and its detector ---


def _audio_stays_out(world: World) -> None:
    for _ in range(LONGEST):
        world.clock.now += 1.001
        world.talk._ear.miss_audio()


def _loads(world: World) -> None:
    world.talk._ear._track.attach(world.detector)
    world.loaded = True


def _cannot_load(world: World) -> None:
    world.loaded = True


def ear_moves(terms: Terms) -> list[Move]:
    """What the ear notices by itself, and what becomes of its detector."""

    def hears(world: World) -> bool:
        return world.life != "closed" and world.talk is not None and world.talk._ear._early is None

    missing = move(
        "audio stays out",
        lambda w: hears(w) and w.talk._ear._expecting,
        _audio_stays_out,
        "stop nothing_heard heard",
        waits=True,
        asks=True,
    )
    breaking = _audio(
        "the detector breaks",
        "stop nothing_heard heard",
        packet("break"),
        may=lambda w: w.talk is not None and w.talk._ear._track.sees,
        asks=True,
    )

    def early(world: World) -> bool:
        return world.life != "closed" and world.talk is not None and world.talk._ear._early is not None

    loading = [
        move("the detector has loaded", lambda w: early(w) and not w.loaded, _loads),
        move("the detector cannot load", lambda w: early(w) and not w.loaded, _cannot_load, waits=True),
        move(
            "the ear catches up",
            lambda w: early(w) and w.loaded,
            lambda w: w.talk._ear.catch_up(),
            "listen stop nothing_heard heard close",
            waits=True,
            asks=True,
        ),
    ]
    return [missing, *{"late": loading, "breaks": [breaking]}.get(terms.detector, [])]

"""Everything that the environment can do to a session; here what providers, timers and the rest of the world do."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf

from badge import texts
from badge.dialogue import Dialogue
from badge.link import Goodbye
from badge.notices import Notice
from providers.ports import ProviderError
from tests.machines.badge_moves import Move, badge_moves, ear_moves, move
from tests.machines.world import Terms, World

__all__ = ["Move", "moves_of"]

MOST_NOTICES = 1
"""Notices of which nobody knows yet what became of them, while exploring."""

# --- the recogniser ---


def _recogniser(name: str, may: Callable[[World], bool], text: str | None, fires: str, *, waits: bool = False) -> Move:
    def make(world: World) -> None:
        scribe = world.talk._scribe
        capture = scribe._waiting.popleft()
        if text is None:
            scribe._host.not_recognised(capture, ProviderError("asr", "no answer in time"))
        else:
            scribe._host.understood(text, capture)

    return move(name, lambda w: w.life != "closed" and may(w), make, fires, waits=waits, asks=True)


def recogniser_moves() -> list[Move]:
    """What comes of the capture that is next. One without audio never reaches the recogniser; a broken one may have."""

    def sound(world: World) -> bool:
        return world.heard is not None and world.heard.size > 0

    def empty(world: World) -> bool:
        return world.heard is not None and world.heard.size == 0

    def alone(world: World) -> bool:
        return sound(world) and not world.talk._unanswered and not world.talk._ear.capturing

    return [
        _recogniser("recognised, plain words", sound, "hello", "nothing_heard heard"),
        _recogniser("recognised, wake word", alone, texts.WAKE_WORDS[0], "nothing_heard heard abort close"),
        _recogniser("recognised, exit words", alone, texts.EXIT_COMMANDS[0], "nothing_heard heard"),
        _recogniser("recognised, no words", sound, "", "nothing_heard heard"),
        _recogniser("an empty utterance", empty, "", "nothing_heard heard", waits=True),
        _recogniser("the recogniser fails", sound, None, "nothing_heard heard", waits=True),
    ]


# --- the slot of the turns ---


def _open(world: World) -> None:
    world.carried = world.talk._answers._turns.open()


def _let_go(world: World) -> None:
    turn, world.carried = world.carried, None
    assert turn is not None
    world.talk._answers._turns.let_go(turn)


def _break(world: World) -> None:
    assert world.carried is not None
    world.talk._answers._turns.broke(world.carried)
    _let_go(world)


def _silent(world: World) -> bool:
    return world.running and world.talk.state != "speaking"


def turn_moves() -> list[Move]:
    """What the task of the turns does, and how an answer may go; a mute provider ends a turn without a sound."""

    def may_open(world: World) -> bool:
        return world.life != "closed" and not world.running and bool(world.talk and world.talk._answers._turns._next)

    ends = "finished heard close"
    return [
        move("the slot is free", may_open, _open, waits=True),
        move("first audio", _silent, lambda w: w.carried.audible(), "first_audio"),  # type: ignore[union-attr]
        move("the answer ends", lambda w: w.running, _let_go, ends, waits=True, asks=True),
        move("the answer breaks", lambda w: w.running, _break, ends, asks=True),
    ]


# --- the life of the connection ---


def _register(world: World) -> None:
    world.session._dialogue = Dialogue(1)
    world.session._life.registered()
    hello = {
        "type": "hello",
        "audio_params": {"format": "pcm", "sample_rate": 16000, "channels": 1, "frame_duration": 60},
    }
    world.session.receive(json.dumps(hello))


def _end(world: World) -> None:
    if world.talk is not None:
        world.talk.end()
    world.session._life.gone()
    world.session.outbox.finish()
    world.carried = None  # the nursery is closed


def _long_nothing(world: World) -> None:
    watchdog = world.session._watchdog
    world.clock.now = max(world.clock.now, watchdog.deadline)
    watchdog.expire()


def _too_slow(world: World) -> None:
    world.session.outbox._on_overflow()
    world.session._watchdog.give_up_slow()


def life_moves(terms: Terms) -> list[Move]:
    """Registration, timers, other connections, the operator, the network."""

    def lives(*states: str) -> Callable[[World], bool]:
        return lambda world: world.life in states

    listed = lives("open", "warned", "closing")  # a superseded connection is nobody's address any more
    talking = lives("open", "warned", "superseded", "closing")

    def timed(world: World) -> bool:
        return talking(world) and world.session._watchdog.deadline < inf

    silence = move("nothing for long", timed, _long_nothing, "idle active close", waits=True)
    others = [
        move("the device connects again", listed, lambda w: w.session.retire(Goodbye.SUPERSEDED), "supersede"),
        move("the server stops", listed, lambda w: w.session.retire(Goodbye.SHUTDOWN), "close"),
        move("the badge reads too slowly", talking, _too_slow, "close"),
    ]
    return [
        move("registered", lives("opening"), _register, "registered"),
        move("the house is full", lives("opening"), _end, "gone", waits=True),
        *([silence] if terms.idles else []),
        *(others if terms.others else []),
        move("the link is lost", lives("open", "warned", "superseded"), _end, "gone"),
        move("the last words are out", lives("closing"), _end, "gone", waits=True),
    ]


# --- modes, and what others have to say ---


def _tell(name: str, fires: str, *, asks: bool = False, **fields: str) -> Move:
    frame = json.dumps(fields)
    return move(
        name, lambda w: w.life in ("open", "warned", "superseded"), lambda w: w.session.receive(frame), fires, asks=asks
    )


def team_moves(terms: Terms) -> list[Move]:
    """Modes by message and by voice, the log of a coding session, and notices."""
    listed = [mode for mode in terms.team if mode != "notices"]
    ends = " ".join(f"end_{mode}" for mode in listed)
    moves = [
        _tell(
            f"mode start {m}", f"start_{m} abort close stop heard {ends}", asks=True, type="mode", state="start", mode=m
        )
        for m in listed
    ]
    moves += [
        _tell(f"mode end {m}", f"end_{m} stop heard", asks=True, type="mode", state="end", mode=m) for m in listed
    ]
    if "meeting" in listed:
        moves.append(_tell("finalize", "end_meeting stop heard", asks=True, type="meeting", phase="finalize"))
        for words in ("start the meeting", "end the meeting", "claim task"):
            moves.append(_spoken(f"recognised, {words}", words))
    if "coding" in listed:
        phases = ("start", "log", "phase", "clear", "stop")
        moves += [_tell(f"coding {phase}", phase, type="coding", phase=phase) for phase in phases]
    if "notices" in terms.team:
        moves.append(move("others have something to say", _may_announce, _announce, "heard", asks=True))
    return moves


def _spoken(name: str, words: str) -> Move:
    def sound(world: World) -> bool:
        return world.heard is not None and world.heard.size > 0 and not world.talk._unanswered

    return _recogniser(name, sound, words, "nothing_heard heard abort start_meeting end_meeting stop")


def _may_announce(world: World) -> bool:
    return world.life in ("open", "warned", "superseded", "closing") and len(world.untold) < MOST_NOTICES


def _announce(world: World) -> None:
    notice = Notice(kind="push", text=f"notice {len(world.untold)}")

    def told(_: str) -> None:
        world.untold.remove(notice)  # raises when somebody is told twice

    if world.session.announce(notice, told):
        world.untold.append(notice)


def moves_of(terms: Terms) -> list[Move]:
    """All moves of the world under these terms."""
    common = [*badge_moves(terms), *ear_moves(terms), *recogniser_moves(), *turn_moves(), *life_moves(terms)]
    return [*common, *team_moves(terms)] if terms.team else common

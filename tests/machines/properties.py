"""What has to hold: after every move, in every state, and for the graph of all states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen

from tests.machines.moves import Move
from tests.machines.world import Terms, World, meaning_of

State = tuple[Any, ...]
Cell = tuple[str, str, str]
"""machine, state, event"""

PATIENCE = 20
"""Moves of timers and failing providers after which nobody may wait any more."""

LAST_RESORT = "nothing for long"
"""The idle limit ends everything in the end, but nobody is left waiting for that."""

SILENT = {"an empty utterance", "audio stays out", "the ear catches up"}
"""What may end a wait without a word: nobody has said anything."""


WITHOUT_EFFECT = {"recognised, no words", "recognised, end the meeting"}
"""Words that may come to nothing: there are none, or the meeting is over already."""


class ViolationError(Exception):
    """A property does not hold; the message has the shortest way there."""


@frozen
class Edge:
    """One move out of a state, and what the badge was told."""

    move: Move
    target: State
    told: tuple[str, ...]


@define
class Explored:
    """What there is: every state with the way it was found, and every edge."""

    terms: Terms
    came: dict[State, tuple[State, Move] | None] = field(factory=dict)
    edges: dict[State, list[Edge]] = field(factory=dict)
    waits: set[State] = field(factory=set)
    may_begin: set[State] = field(factory=set)
    cells: set[Cell] = field(factory=set)

    @property
    def counts(self) -> tuple[int, int]:
        """Number of states and of edges."""
        return len(self.came), sum(map(len, self.edges.values()))

    def way(self, state: State) -> list[Move]:
        """The moves that lead to a state."""
        moves: list[Move] = []
        while (step := self.came[state]) is not None:
            state, move = step
            moves.append(move)
        return moves[::-1]

    def violated(self, what: str, state: State, *more: str) -> ViolationError:
        """A property does not hold at the end of a way."""
        names = [*(move.name for move in self.way(state)), *more]
        way = "".join(f"\n  {number}. {name}" for number, name in enumerate(names, 1))
        return ViolationError(f"{self.terms.name}: {what}, after{way}\nin {state}")


# --- one move ---


@define
class Step:
    """One move, with what was before it and what it did."""

    world: World
    move: Move
    events: list[Cell]
    failures: list[BaseException]
    plans: list[Any] = field(init=False)
    following: Any = field(init=False)
    answer: Any = field(init=False)
    might_begin: bool = field(init=False)
    noticed: bool = field(init=False)
    switching: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.plans = plans_of(self.world)
        self.following = self.world.talk and self.world.talk._answers._turns._next
        self.answer = self.world.talk and self.world.talk._answers._turns.current
        self.might_begin = self.world.may_begin
        self.noticed = bool(self.world.talk and self.world.talk._answers._announcer.next)
        words = [heard.text for heard in self.world.talk._unanswered] if self.world.talk else []
        self.switching = meaning_of(self.world, words) == "SwitchMode"


def plans_of(world: World) -> list[Any]:
    """What waits to be answered."""
    turns = world.talk and world.talk._answers._turns
    return [*filter(None, [turns._next]), *turns._queue] if turns else []


def no_errors(step: Step) -> str | None:
    """Nothing raises, nothing is refused that the environment can really do."""
    if step.failures:
        return f"an error was caught: {step.failures[0]!r}"
    bad = [word for word in step.world.told if word in ("error internal", "error not_now")]
    return f"answered with {bad[0]}" if bad and step.move.name != "the answer breaks" else None


def one_turn(step: Step) -> str | None:
    """Each `tts start` is followed by exactly one `tts stop` before the next start. Words that get no answer stop a
    badge that speaks by itself."""
    world = step.world
    for word in world.told:
        if word == "tts start" and world.speaks:
            return "two turns at once"
        if word == "tts stop" and not world.speaks and world.terms.settings.phrases.enable_greeting:
            return "a stop without a start"
        if word.startswith("tts"):
            world.speaks = word == "tts start"
    running = world.talk is not None and world.talk._answers._turns.running
    return (
        "the badge was not told the truth about speaking"
        if world.life != "closed" and world.speaks != running
        else None
    )


def nothing_without_a_cause(step: Step) -> str | None:
    """Only the events that the move may send, and no answer that nobody asked for, or that may not begin."""
    fired = {event for _, _, event in step.events}
    allowed = set(step.move.fires)
    if step.noticed:  # what waits is said when there is a pause
        allowed.add("heard")
    if step.switching:  # words that have waited for the rest
        allowed |= {"abort", "close", "stop", "start_meeting", "end_meeting"}
    if not fired <= allowed:
        return f"fires {', '.join(sorted(fired - allowed))}"
    new = [plan for plan in plans_of(step.world) if plan not in step.plans and not (step.noticed and plan.notice)]
    if new and not step.move.asks:
        return "a turn that nobody asked for"
    following = step.world.talk and step.world.talk._answers._turns._next
    if following is not None and following is not step.following and not step.might_begin:
        return "a new turn, although none may begin"
    if "tts start" in step.world.told and step.move.name != "the slot is free":
        return "a turn that begins out of line"
    return None


def words_are_not_lost(step: Step) -> str | None:
    """Recognised words are answered, kept for the rest, or at least shown."""
    if not step.move.name.startswith("recognised, ") or step.move.name in WITHOUT_EFFECT:
        return None
    kept = step.world.talk._unanswered or any(plan not in step.plans for plan in plans_of(step.world))
    greeting = step.move.name == "recognised, wake word" and not step.might_begin  # has no words of its own
    return None if kept or step.world.told or greeting else "words are lost"


def silence_interrupts_nothing(step: Step) -> str | None:
    """Who is silent listens to the answer."""
    if step.move.name == "ten minutes of silence" and step.answer is not None:
        return None if step.world.talk._answers._turns.current is step.answer else "an answer is cut off"
    return None


def every_switch_is_acknowledged(step: Step) -> str | None:
    """Whoever enters or leaves a mode by message is told whether it worked."""
    if not step.move.name.startswith("mode ") or step.world.life not in ("open", "warned"):
        return None
    return (
        None if any(word.split()[0] in ("mode", "error") for word in step.world.told) else "a switch without an answer"
    )


STEP_CHECKS: tuple[Callable[[Step], str | None], ...] = (
    no_errors,
    one_turn,
    nothing_without_a_cause,
    words_are_not_lost,
    silence_interrupts_nothing,
    every_switch_is_acknowledged,
)


# --- one state ---


def floor_tells_the_truth(world: World) -> str | None:
    """Whoever has the floor does something with it."""
    talk = world.talk
    if talk is None or world.life in ("closing", "closed"):
        return None
    turns, ear = talk._answers._turns, talk._ear
    coming = bool(talk._scribe._waiting or ear._early)
    wrong = {
        "thinking about nothing": talk.state == "thinking" and not (turns.current or coming or ear.capturing),
        "listening to nobody": talk.state == "listening" and not (ear._expecting or coming),
        "speaking without a turn": talk.state == "speaking" and not turns.running,
        "a turn without the floor": turns.current is not None and talk.state not in ("thinking", "speaking"),
        "a plan that waits for nothing": bool(turns._queue) and turns.current is None,
        "parting from nothing": talk._answers._parting is not None and turns.current is None,
    }
    return next((what for what, holds in wrong.items() if holds), None)


def the_end_is_quiet(world: World) -> str | None:
    """A session that closes hears nothing, thinks nothing, says nothing."""
    talk = world.talk
    if talk is None or world.life != "closing":
        return None
    turns, ear = talk._answers._turns, talk._ear
    wrong = {
        "answers": turns.current is not None,
        "listens": ear._expecting or bool(ear._early),
        "has something recognised": bool(talk._scribe._waiting),
    }
    return next((f"closes and {what}" for what, holds in wrong.items() if holds), None)


def the_badge_is_listened_to_as_it_wants(world: World) -> str | None:
    """Only a meeting and the work on tasks have it otherwise."""
    imposed = world.session.traits.imposed
    return "listened to otherwise" if imposed and world.mode not in ("meeting", "working") else None


def notices_are_not_forgotten(world: World) -> str | None:
    """Whoever has something to say hears what becomes of it; nothing waits while the badge is free."""
    talk = world.talk
    if world.life == "closed":
        return "nobody is told what became of a notice" if world.untold else None
    if talk is None:
        return None
    free = (
        talk.state == "idle"
        and not talk._answers._turns.current
        and not talk._utterances._open
        and not talk._ear._expecting
    )
    return (
        "a notice waits for nothing"
        if free and talk._answers.takes_turns and talk._answers._announcer.next and not world.overhears
        else None
    )


STATE_CHECKS: tuple[Callable[[World], str | None], ...] = (
    floor_tells_the_truth,
    the_end_is_quiet,
    the_badge_is_listened_to_as_it_wants,
    notices_are_not_forgotten,
)


# --- the graph ---


def never_silent(found: Explored) -> int:
    """Whoever waits is answered, or told, within a bounded number of moves that need nobody but the server, whatever
    providers do, and without the idle limit; the longest such wait."""
    longest: dict[State, int] = {}

    def wait(state: State, so_far: tuple[State, ...]) -> int:
        if state not in found.waits:
            return 0
        if state in so_far or len(so_far) > PATIENCE:
            raise found.violated("somebody waits without end", state)
        if state not in longest:
            moving = [edge for edge in found.edges[state] if edge.move.waits and edge.target != state]
            edges = [edge for edge in moving if edge.move.name != LAST_RESORT]
            if not edges:
                raise found.violated("somebody waits for nothing", state)
            for edge in edges:
                ends = edge.target not in found.waits and edge.target[0] not in ("closing", "closed")
                if ends and not edge.told and edge.move.name not in SILENT:
                    raise found.violated("a wait ends without a word", state, edge.move.name)
            longest[state] = 1 + max(wait(edge.target, (*so_far, state)) for edge in edges)
        return longest[state]

    return max((wait(state, ()) for state in found.waits), default=0)


def no_dead_state(found: Explored) -> None:
    """Every session can end, by its timers alone where they are explored; until it ends a new turn can begin."""
    ends = reaching(found, {("closed",)}, lambda edge: edge.move.waits or not found.terms.idles)
    for state in found.came:
        if state not in ends:
            raise found.violated("can never close", state)
    begin = {state for state, edges in found.edges.items() if any("tts start" in edge.told for edge in edges)}
    lively = reaching(found, begin, lambda _: True)
    for state in found.may_begin - lively:
        raise found.violated("no turn can ever begin", state)


def reaching(found: Explored, goal: set[State], passes: Callable[[Edge], bool]) -> set[State]:
    """All states from which the goal can be reached."""
    back: dict[State, list[State]] = {}
    for state, edges in found.edges.items():
        for edge in filter(passes, edges):
            back.setdefault(edge.target, []).append(state)
    reached, todo = set(goal), list(goal)
    while todo:
        for state in back.get(todo.pop(), ()):
            if state not in reached:
                reached.add(state)
                todo.append(state)
    return reached


def nothing_after_the_end(found: Explored) -> None:
    """Nothing moves in a closed session."""
    if found.edges[("closed",)]:
        raise found.violated("moves after the end", ("closed",), found.edges[("closed",)][0].move.name)


GRAPH_CHECKS: tuple[Callable[[Explored], object], ...] = (never_silent, no_dead_state, nothing_after_the_end)

"""The steps of a random walk in which a team is at work."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from badge.notices import Notice
from tests.walk.invariants import Invariants
from tests.walk.street import Passer
from tests.walk.team import in_mode

DEVICES = ("aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02")
AWAY = "ff:bb:cc:00:00:03"
"""Of another group, and seldom here."""

ORDERS = [
    "start the meeting",
    "end the meeting",
    "working mode",
    "leave working mode",
    "coding mode",
    "exit coding mode",
    "don't enter working mode",
    "claim task",
    "mark done",
    "refresh",
    "remind me in one minute to stretch",
    "what are my reminders",
    "cancel my reminders",
    "list my tasks",
    "give my task back",
]

WHO = st.integers(0, 5)
TASK = st.sampled_from(["1", "2", "3"])

somebody_is_here = precondition(lambda self: self.street.here)
somebody_is_in_a_meeting = precondition(lambda self: any(in_mode(p, "meeting") for p in self.street.here))


class TeamSteps(Invariants):
    """What badges ask the office for."""

    count = 0

    @somebody_is_here
    @rule(
        who=WHO,
        state=st.sampled_from(["start", "start", "end"]),
        mode=st.sampled_from(["meeting", "coding", "working"]),
    )
    def mode(self, who: int, state: str, mode: str) -> None:
        """A badge enters a mode, or leaves it."""
        passer = self.pick(who)
        self.wish(passer)
        self.step(lambda: passer.tell(type="mode", state=state, mode=mode))

    @somebody_is_here
    @rule(who=WHO, words=st.sampled_from(ORDERS))
    def order(self, who: int, words: str) -> None:
        """Somebody types what is an order, here or elsewhere."""
        passer = self.pick(who)
        passer.held.clear()
        if words == "refresh":
            self.ask_for_tasks(passer)
        self.listen(passer, None, "detect", text=words)

    @somebody_is_here
    @rule(who=WHO, words=st.sampled_from(ORDERS), seconds=st.sampled_from([0.0, 1.5]))
    def order_by_voice(self, who: int, words: str, seconds: float) -> None:
        """Somebody says it."""
        passer = self.pick(who)
        self.street.asr.next = words
        self.listen(passer, "manual", "start")
        self.step(lambda: passer.sound("voice", 5, paced=True))
        self.listen(passer, "manual", "stop")
        self.step(self.stage.let_pass, seconds)

    @somebody_is_in_a_meeting
    @rule(who=WHO, seconds=st.sampled_from([0.0, 1.0, 4.0]))
    def word(self, who: int, seconds: float) -> None:
        """Something is typed in a meeting: it belongs to the minutes."""
        inside = [passer for passer in self.street.here if in_mode(passer, "meeting")]
        self.say_in_meeting(inside[who % len(inside)])
        self.step(self.stage.let_pass, seconds)

    @somebody_is_here
    @rule(who=WHO, words=st.integers(0, 3), end=st.sampled_from(["stay", "finalize", "mode", "words"]))
    def meet(self, who: int, words: int, end: str) -> None:
        """A meeting, or as much of it as comes about."""
        passer = self.pick(who)
        self.wish(passer)
        self.step(lambda: passer.tell(type="mode", state="start", mode="meeting"))
        for _ in range(words):
            if in_mode(passer, "meeting"):
                self.say_in_meeting(passer)
                self.step(self.stage.let_pass, 2.0)
        if end == "finalize":
            self.step(lambda: passer.tell(type="meeting", phase="finalize"))
        elif end == "mode":
            self.wish(passer)
            self.step(lambda: passer.tell(type="mode", state="end", mode="meeting"))
        elif end == "words":
            passer.held.clear()
            self.listen(passer, None, "detect", text="end the meeting")
        self.step(self.stage.let_pass, 1.0)

    @somebody_is_here
    @rule(who=WHO, wait=st.booleans())
    def remind(self, who: int, wait: bool) -> None:
        """A badge wants to be reminded of something, and perhaps waits for it."""
        passer = self.pick(who)
        passer.held.clear()
        self.listen(passer, None, "detect", text="remind me in one minute to stretch")
        self.step(self.stage.let_pass, 65.0 if wait else 2.0)

    @somebody_is_here
    @rule(who=WHO, phase=st.sampled_from(["finalize", "finalize", "tasks"]))
    def minutes_please(self, who: int, phase: str) -> None:
        """A badge wants the minutes of its meeting, or tasks of them."""
        passer = self.pick(who)
        self.step(lambda: passer.tell(type="meeting", phase=phase))

    @somebody_is_here
    @rule(who=WHO, event=st.sampled_from(["create", "assign", "complete", "update", "release", "refresh"]), task=TASK)
    def tasks_change(self, who: int, event: str, task: str) -> None:
        """A badge does something about the tasks of its group."""
        passer = self.pick(who)
        if event == "refresh":
            self.ask_for_tasks(passer)
        message: dict[str, Any] = {
            "create": {"tasks": [{"id": task, "title": f"task {task}"}]},
            "assign": {"id": task},
            "complete": {"ids": [task]},
            "update": {"tasks": [{"id": task, "title": self.unique("task")}]},
            "release": {"tasks": [{"id": task, "owner": ""}]},
            "refresh": {},
        }[event]
        self.step(lambda: passer.tell(type="workflow", event="update" if event == "release" else event, **message))

    @somebody_is_here
    @rule(who=WHO, to=st.sampled_from([*DEVICES, AWAY, "*", "@group"]), read=st.booleans())
    def letter(self, who: int, to: str, read: bool) -> None:
        """A badge writes to another one, which may not be here."""
        passer, text = self.pick(who), self.unique("note")
        category = "text" if read else "status"
        self.step(lambda: passer.tell(type="peer", to=[to], id=text, category=category, payload={"text": text}))

    @somebody_is_here
    @rule(who=WHO, phase=st.sampled_from(["start", "log", "log", "phase", "clear", "stop"]))
    def coding(self, who: int, phase: str) -> None:
        """Something happens in a coding session."""
        passer = self.pick(who)
        self.step(lambda: passer.tell(type="coding", phase=phase, line="error: one", name="tests"))

    @rule(device=st.sampled_from(DEVICES), reminder=st.booleans())
    def push(self, device: str, reminder: bool) -> None:
        """The house has something to say."""

        async def announce() -> None:
            mailbox = self.street.house.services.presence.find(device)
            told: list[str] = []
            notice = Notice(kind="reminder" if reminder else "push", text="Dinner is ready.")
            if mailbox is not None and mailbox.announce(notice, told.append):
                self.notices.append(told)

        self.step(announce)

    # --- inside ---

    def say_in_meeting(self, passer: Passer) -> None:
        """Type something that nobody has said before."""
        text = self.unique("point")
        self.words.setdefault(passer.device, []).append(text)
        self.listen(passer, None, "detect", text=text)

    def unique(self, kind: str) -> str:
        """A text that does not come again."""
        self.count += 1
        return f"{kind} {self.count}"

    def wish(self, passer: Passer) -> None:
        """A mode is asked for, and heeded by a session that is not about to end."""
        passer.wishes += passer.here and passer.state in ("open", "warned")

    def ask_for_tasks(self, passer: Passer) -> None:
        """The badge asks for a snapshot, now."""
        passer.refreshes.append(self.now)

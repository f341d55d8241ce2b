"""Writing minutes: a language model is asked part by part, and where it is no help, rules pick key sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import attrs
import trio
from attrs import frozen

from badge.boundary import boundary
from badge.config.team import MeetingSettings
from badge.documents import UnusableError
from badge.llms import Llms
from badge.log import get_log
from badge.meetings.asking import Asker, Wish
from badge.meetings.document import LISTED, Content, Minutes, Point, content_of, cut, fit
from badge.meetings.extract import extract
from badge.meetings.findings import Findings
from badge.meetings.gaps import Gaps, Why
from badge.meetings.merging import Gist, Tower, joined
from badge.meetings.parts import Parts, Read, chunked
from badge.meetings.prompts import CHECKPOINT, GIST, MINUTES, about_part, about_parts, about_progress, majority
from badge.storage.records import Hole, Segment
from providers.ports import Language

log = get_log(__name__)

AT_ONCE = 2
"""Meetings whose minutes are written at the same time; the others wait."""

EXTRACTED = 4000
"""Characters of which key sentences are picked in one go: about 6 ms."""

CHECKPOINT_CHARS = 2000
"""Characters of a summary so far."""

NOTHING: dict[Language, str] = {"en": "Nothing was said.", "zh": "没有记录到发言。"}


@frozen(kw_only=True)
class Order:
    """Minutes that are wanted: the transcript, what is missing of it, and the day on which it began, in words for a
    model."""

    read: Read
    holes: tuple[Hole, ...]
    date: str
    session: str
    device: str = ""


class Writer:
    """Writes the minutes of all meetings."""

    def __init__(self, *, llms: Llms, settings: Callable[[], MeetingSettings]) -> None:
        self._llms = llms
        self._settings = settings
        self._turns = trio.CapacityLimiter(AT_ONCE)

    async def minutes(self, order: Order) -> Minutes:
        """The minutes of a meeting; whatever the model does, there are some."""
        async with self._turns:
            with boundary("minutes", log):
                return await self._write(order, self._asker(order.session, order.device))
            hopeless = self._asker(order.session, order.device)
            hopeless.give_up()
            return await self._write(order, hopeless)

    async def checkpoint(self, so_far: str, segments: Sequence[Segment], session: str, device: str = "") -> str:
        """A summary so far, grown by what was said since; empty when the model is no help."""
        settings = self._settings()
        system, user = about_progress(so_far, segments)
        wish = Wish(
            system=system, user=user, schema=CHECKPOINT, tokens=settings.checkpoint_tokens, read=_read_checkpoint
        )
        return await self._asker(session, device).ask(wish) or ""

    def _asker(self, session: str, device: str) -> Asker:
        return Asker(llms=self._llms, patience_s=self._settings().patience_s, session=session, device=device)

    async def _write(self, order: Order, asker: Asker) -> Minutes:
        return await Draft(order, asker, self._settings()).write()


class Draft:
    """The minutes of one meeting while they are being written."""

    def __init__(self, order: Order, asker: Asker, settings: MeetingSettings) -> None:
        self._order = order
        self._asker = asker
        self._settings = settings
        self._language: Language = "en"
        self._tower = Tower(self._merge, settings.part_chars)
        self._findings = Findings()
        self._gaps = Gaps()
        self._made: set[str] = set()

    async def write(self) -> Minutes:
        """Part by part, then all in one."""
        parts = Parts(self._order.read, self._settings.part_chars)
        number, rest = 0, None
        while segments := await parts.next():
            number += 1
            if number == 1:
                self._language = majority(one.text for one in segments)
            if number <= self._settings.most_parts:
                await self._tower.add(await self._part(segments))
            else:
                late = await self._extract(segments, "too-many")
                rest = late if rest is None else joined((rest, late))
        if rest is not None:
            await self._tower.add(rest)
        return self._finish(await self._tower.top())

    def _finish(self, gist: Gist | None) -> Minutes:
        self._gaps.surplus = self._findings.surplus
        nothing = (Point(text=NOTHING[self._language], segments=()),)
        return Minutes(
            title=gist.title if gist else "",
            summary=gist.summary if gist else nothing,
            decisions=self._findings.decisions,
            actions=self._findings.actions,
            questions=self._findings.questions,
            holes=self._order.holes,
            method="model" if self._made == {"model"} else "mixed" if "model" in self._made else "extract",
            left_out=self._gaps.told(self._language, LISTED),
            session=self._order.session,
        )

    async def _part(self, segments: tuple[Segment, ...]) -> Gist:
        system, user = about_part(segments, date=self._order.date, language=self._language)
        shown = range(segments[0].number, segments[-1].number + 1)
        wish = Wish(
            system=system,
            user=user,
            schema=MINUTES,
            tokens=self._settings.summary_tokens,
            read=partial(_read_part, shown, self._gaps),
        )
        content = await self._asker.ask(wish)
        if content is None:
            return await self._extract(segments, self._asker.reason)
        return self._take("model", content, segments)

    async def _extract(self, segments: tuple[Segment, ...], why: Why) -> Gist:
        """Key sentences; others have their turn in between."""
        self._gaps.add(why, segments[0].number, segments[-1].number)
        gists = []
        for chunk in chunked(segments, EXTRACTED):
            await trio.lowlevel.checkpoint()
            gists.append(self._take("extract", extract(chunk), chunk))
        return joined(gists)

    def _take(self, method: str, content: Content, segments: tuple[Segment, ...]) -> Gist:
        self._made.add(method)
        self._findings.add(content)
        return Gist(title=content.title, summary=content.summary, first=segments[0].number, last=segments[-1].number)

    async def _merge(self, gists: Sequence[Gist]) -> Gist:
        whole = joined(gists)
        points = [point for gist in gists for point in gist.summary]
        system, user = about_parts(points, language=self._language)
        shown = {number for point in points for number in point.segments}
        wish = Wish(
            system=system,
            user=user,
            schema=GIST,
            tokens=self._settings.summary_tokens,
            read=partial(_read_gist, shown),
        )
        content = await self._asker.ask(wish)
        if content is not None:
            self._made.add("model")
            return attrs.evolve(whole, title=content.title, summary=content.summary)
        self._made.add("extract")
        if len(whole.summary) < len(points):
            self._gaps.add("joined", whole.first, whole.last)
        return whole


def _read_part(shown: range, gaps: Gaps, value: object, last: bool) -> Content:  # noqa: FBT001 - a `Wish.read`
    """What a model says about a part. What rests on nothing is a mistake, and in the last answer dropped."""
    content = content_of(value)
    if isinstance(content, list):
        raise UnusableError(*map(str, content))
    content = fit(content, shown)
    if not content.summary:
        raise UnusableError("summary: must have at least one point with a text")
    items: tuple[Point, ...] = (*content.decisions, *content.actions, *content.questions)
    baseless = sum(not item.segments for item in items)
    if baseless and not last:
        raise UnusableError(
            f"segments: {baseless} decisions, actions or questions name none of the numbers {shown[0]} to {shown[-1]}"
        )
    gaps.unsupported += baseless
    return attrs.evolve(
        content,
        decisions=tuple(filter(_based, content.decisions)),
        actions=tuple(filter(_based, content.actions)),
        questions=tuple(filter(_based, content.questions)),
    )


def _based(item: Point) -> bool:
    return bool(item.segments)


def _read_gist(shown: set[int], value: object, _last: bool) -> Content:  # noqa: FBT001 - a `Wish.read`
    """What a model makes of several summaries."""
    lists: dict[str, list[object]] = {"decisions": [], "actions": [], "questions": []}
    content = content_of({**value, **lists} if isinstance(value, dict) else value)
    if isinstance(content, list):
        raise UnusableError(*map(str, content))
    content = fit(content, shown)
    if not content.summary:
        raise UnusableError("summary: must have at least one point with a text")
    return content


def _read_checkpoint(value: object, _last: bool) -> str:  # noqa: FBT001 - a `Wish.read`
    """A summary so far."""
    summary = value.get("summary") if isinstance(value, dict) else None
    if not isinstance(summary, str) or not summary.strip():
        raise UnusableError("summary: must be a text")
    return cut(summary, CHECKPOINT_CHARS)

"""What was said in a conversation: a list of exchanges, so that every question has exactly one place for its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from attrs import define, field, frozen

from providers.ports import ChatMessage, ToolCall

LONGEST_MEMORY = 500
"""Characters of a tool's result that are kept in mind after the exchange that it was for."""


@frozen(kw_only=True)
class Round:
    """What the model said before it called tools, the calls, and as many results."""

    said: str = field(repr=False)
    calls: tuple[ToolCall, ...]
    results: tuple[str, ...] = field(repr=False)


@define
class Exchange:
    """What the user said and the answer so far, with the rounds of tools that led to it. `id` names it among all."""

    user: str = field(repr=False)
    id: str = ""
    rounds: list[Round] = field(factory=list)
    _answer: list[str] = field(factory=list, repr=False)
    audible: Callable[[], str] | None = field(default=None, repr=False)
    """while the answer is being given: what was heard of it by now"""

    def add(self, text: str) -> None:
        """Append to the answer."""
        self._answer.append(text)

    def called(self, calls: Sequence[ToolCall], results: Sequence[str]) -> None:
        """Tools were called after what was said so far, and all have answered: a call never stands without its result."""
        self.rounds.append(Round(said="".join(self._answer), calls=tuple(calls), results=tuple(results)))
        self._answer.clear()

    def heard(self, text: str) -> None:
        """Only this of the answer was heard; it takes the place of all that was to be said."""
        self.rounds = [Round(said="", calls=one.calls, results=one.results) for one in self.rounds]
        self._answer = [text] if text else []

    @property
    def answer(self) -> str:
        """All that was said so far."""
        return "".join((*(one.said for one in self.rounds), *self._answer))

    def messages(self, unanswered: str, *, longest: int | None = None) -> Iterator[ChatMessage]:
        """The exchange for a model; `longest`: characters of each result, None for all."""
        yield ChatMessage(role="user", content=self.user)
        for one in self.rounds:
            yield ChatMessage(role="assistant", content=one.said, calls=one.calls)
            for call, result in zip(one.calls, one.results, strict=True):
                yield ChatMessage(role="tool", content=result[:longest], call=call.id)
        yield ChatMessage(role="assistant", content="".join(self._answer) or unanswered)

    def copy(self) -> Exchange:
        """The exchange as it is now."""
        return Exchange(self.user, self.id, list(self.rounds), list(self._answer))

    def words(self) -> Exchange:
        """The words of the exchange as far as they were heard by now, without what tools had to do with it."""
        answer = self.answer if self.audible is None else self.audible()
        return Exchange(self.user, self.id, [], [answer] if answer else [])


class Dialogue:
    """The last exchanges of one device; it moves to the new connection when the device connects again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._exchanges: list[Exchange] = []

    def begin(self, user: str, name: str = "") -> Exchange:
        """A new exchange of this name; the oldest is forgotten when there are too many. The same words again, before
        anything was answered, are the same exchange: what tools have done for it is done."""
        last = self._exchanges[-1] if self._exchanges else None
        if last is not None and last.user == user and not last.answer:
            return last
        exchange = Exchange(user, name)
        self._exchanges.append(exchange)
        del self._exchanges[: -self._limit]
        return exchange

    def foreseen(self, user: str) -> Dialogue:
        """A dialogue as this one would be if an exchange began; this one stays as it is."""
        dialogue = Dialogue(self._limit)
        dialogue._exchanges = [exchange.copy() for exchange in self]
        dialogue.begin(user)
        return dialogue

    def messages(self, system: str, unanswered: str) -> tuple[ChatMessage, ...]:
        """The dialogue for a model: `system` first, then user and assistant in turn, the last exchange open: it ends with
        what the user said, or with what tools have answered.

        An earlier exchange without an answer was interrupted; `unanswered` stands in for what was not said, because
        models expect the two sides to alternate.
        """
        messages = [ChatMessage(role="system", content=system)]
        for exchange in self._exchanges[:-1]:
            messages += exchange.messages(unanswered, longest=LONGEST_MEMORY)
        if self._exchanges:
            *present, _ = self._exchanges[-1].messages(unanswered)
            messages += present
        return tuple(messages)

    def without_tools(self, system: str, unanswered: str) -> tuple[ChatMessage, ...]:
        """The same for a model that knows nothing of tools: words only, the last of the user's."""
        messages = [ChatMessage(role="system", content=system)]
        for exchange in self._exchanges:
            messages.append(ChatMessage(role="user", content=exchange.user))
            messages.append(ChatMessage(role="assistant", content=exchange.answer or unanswered))
        return tuple(messages[:-1]) if len(messages) > 1 else tuple(messages)

    def resume(self, other: Dialogue) -> None:
        """Go on from what was heard in another dialogue so far; what is still added to that one is not heard here."""
        self._exchanges = [exchange.words() for exchange in other][-self._limit :]

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._exchanges)

    def forget(self) -> None:
        """Erase everything."""
        self._exchanges.clear()

    def __len__(self) -> int:
        return len(self._exchanges)

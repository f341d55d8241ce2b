"""What was said in a conversation: a list of exchanges, so that every question has exactly one place for its answer."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from providers.ports import ChatMessage


@define
class Exchange:
    """What the user said and the answer so far."""

    user: str = field(repr=False)
    _answer: list[str] = field(factory=list, repr=False)

    def add(self, text: str) -> None:
        """Append to the answer."""
        self._answer.append(text)

    @property
    def answer(self) -> str:
        """The answer so far."""
        return "".join(self._answer)


class Dialogue:
    """The last exchanges of one device; it moves to the new connection when the device connects again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._exchanges: list[Exchange] = []

    def begin(self, user: str) -> Exchange:
        """A new exchange; the oldest is forgotten when there are too many. The same words again, before anything was
        answered, are the same exchange."""
        if self._exchanges and self._exchanges[-1] == Exchange(user):
            return self._exchanges[-1]
        exchange = Exchange(user)
        self._exchanges.append(exchange)
        del self._exchanges[: -self._limit]
        return exchange

    def foreseen(self, user: str) -> Dialogue:
        """A dialogue as this one would be if an exchange began; this one stays as it is."""
        dialogue = Dialogue(self._limit)
        dialogue.resume(self)
        dialogue.begin(user)
        return dialogue

    def messages(self, system: str, unanswered: str) -> tuple[ChatMessage, ...]:
        """The dialogue for a model: `system` first, then user and assistant in turn, the last user message open.

        An earlier exchange without an answer was interrupted; `unanswered` stands in for what was not said, because
        models expect the two sides to alternate.
        """
        messages = [ChatMessage(role="system", content=system)]
        for exchange in self._exchanges:
            messages.append(ChatMessage(role="user", content=exchange.user))
            messages.append(ChatMessage(role="assistant", content=exchange.answer or unanswered))
        if len(messages) > 1:
            messages.pop()
        return tuple(messages)

    def resume(self, other: Dialogue) -> None:
        """Go on from what was said in another dialogue so far; what is still added to that one is not heard here."""
        self._exchanges = [Exchange(exchange.user, list(exchange._answer)) for exchange in other][-self._limit :]

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._exchanges)

    def forget(self) -> None:
        """Erase everything."""
        self._exchanges.clear()

    def __len__(self) -> int:
        return len(self._exchanges)

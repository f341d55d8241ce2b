"""From words to sentences: the language model's answer, with the help of tools, cut for speaking as it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import trio
from attrs import define, field, frozen

from badge import texts
from badge.desk import ToolResult
from badge.dialogue import Exchange
from badge.log import get_log
from badge.modes.base import Ask
from badge.patience import Patience, patience
from badge.recall.ranking import given
from badge.services import Services
from badge.session.drafting import Drafts, Opened
from badge.session.intent import meant
from badge.session.remembering import Remembering
from badge.session.toolbox import Kit, Toolbox
from badge.session.toolcalls import CallReader, MalformedCallError, presentable
from badge.session.trace import TurnTrace
from badge.session.traits import Traits
from providers.language import language_of
from providers.ports import (
    ChatMessage,
    Llm,
    Prompt,
    ProviderError,
    Text,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
    single_error,
    well_formed,
)
from providers.sentences import SentenceSplitter
from providers.speakable import mood_of
from providers.streams import next_of

log = get_log(__name__)

RECALL_WITHIN = 1.0
"""Seconds that an answer waits for what is remembered, beside the wait for its meaning; then it does without."""

INTERRUPTED = "(interrupted)"
"""Stands in a prompt for an answer that never began."""

DONE = "(done)"
"""Stands in the dialogue for an answer without words: what tools have done, and wanted nothing to be said of. The same
words again want it again."""


@frozen
class Sentence:
    """What is spoken at once. `aside`: it is no part of the answer."""

    text: str = field(repr=False)
    aside: bool = False


class Script:
    """Takes an answer piece by piece and passes on whole sentences; shows the mood before the first one."""

    def __init__(
        self,
        splitter: SentenceSplitter,
        sentences: trio.MemorySendChannel[Sentence],
        on_mood: Callable[[str, str], None],
        trace: TurnTrace,
    ) -> None:
        self._splitter = splitter
        self._sentences = sentences
        self._on_mood = on_mood
        self._trace = trace
        self._seen = ""
        self._whole: list[str] = []  # sentences that are not passed on yet: a model that fails must not take them along
        self.spoke = False
        self.owes = True
        """Whether something is still to be said: words before a call announce an answer, and are none."""
        self._filled = False

    async def fill(self, text: str) -> None:
        """Say this, once, so that nobody waits in silence; it is no part of the answer."""
        if not (self.spoke or self._filled):
            self._filled = True
            await self._sentences.send(Sentence(text, aside=True))

    async def add(self, text: str) -> None:
        """The next piece; waits while the voice is a sentence behind."""
        if not self.spoke:
            self._seen += text
        self._whole += self._splitter.feed(text)
        await self._pass()

    async def end(self) -> None:
        """There is no more."""
        self._whole += self._splitter.flush()
        await self._pass()

    async def _pass(self) -> None:
        while self._whole:
            await trio.lowlevel.checkpoint_if_cancelled()  # whoever was interrupted shows no mood any more
            if not self.spoke:
                self.spoke = True
                self._trace.mark("llm", trio.current_time())
                self._on_mood(*mood_of(self._seen))
            self.owes = False
            await self._sentences.send(Sentence(self._whole[0]))
            del self._whole[0]


@define(eq=False)
class _Inquiry:
    """One utterance on its way to its answer, in the scope of its turn. `llm`: the model that answers, the same for all
    rounds."""

    ask: Ask
    exchange: Exchange
    script: Script
    scope: trio.CancelScope
    llm: Llm | None = None

    async def say(self, text: str) -> None:
        """Say this, as part of the answer. Once the turn is cancelled nothing is part of it any more: what the dialogue
        has of the answer was settled in that moment, though what a model has handed over still comes in."""
        if text and not self.scope.cancel_called:
            self.exchange.add(text)
            await self.script.add(text)


class Thinker:
    """Asks the model about one utterance, calls the tools that it wants, and lets the script have the answer."""

    def __init__(
        self, services: Services, traits: Traits, memory: Remembering, drafts: Drafts, toolbox: Callable[[], Toolbox]
    ) -> None:
        self._memory = memory
        self._dialogue = memory.dialogue
        self._drafts = drafts
        self._services = services
        self._settings = services.settings.chat
        self._traits = traits
        self._toolbox = toolbox

    async def begin(self, ask: Ask, name: str) -> Exchange:
        """The exchange of these words in the dialogue, which goes on where it was left; `name` names it among all."""
        await self._memory.resume()
        exchange = self._dialogue.begin(ask.words, name)
        self._memory.begin(exchange)
        return exchange

    def over(self, exchange: Exchange, heard: str | None) -> None:
        """The answer is over; `heard` is what was heard of one that was cut short, and then nothing else was said."""
        exchange.audible = None
        if heard is not None:
            exchange.heard(heard)
        self._memory.answered()

    async def think(self, ask: Ask, exchange: Exchange, script: Script, scope: trio.CancelScope) -> None:
        """Answer in the exchange, in the scope of a turn; when nothing comes of it that can be said, an apology is said
        instead."""
        log.info(texts.LOG_USER_TEXT, size=len(ask.words))
        inquiry, excuse = _Inquiry(ask, exchange, script, scope), texts.LLM_FAILED
        try:
            with single_error():
                answered = await self._rounds(inquiry)
        except (ProviderError, trio.TooSlowError) as exc:
            log.warning("the model failed", error=str(exc) or "too slow")
            answered = False
            excuse = texts.NETWORK_DOWN if getattr(exc, "unreachable", False) else excuse
        await script.end()
        if answered and not exchange.answer:
            exchange.add(DONE)
        if script.owes and not answered:
            await inquiry.say(excuse[language_of(ask.words)])
            await script.end()

    def draft(self, ask: Ask) -> None:
        """Have the model begin on what it is likely to be asked next; the dialogue stays as it is."""
        if self._services.intent != "intent_llm":  # which decides first, and then asks something else
            self._drafts.begin(ask.words, ask.purpose, partial(self._foresee, ask))

    async def _foresee(self, ask: Ask) -> Prompt:
        """What the model will be asked first."""
        await self._memory.resume()
        dialogue = self._dialogue.foreseen(ask.words)
        system, kit = await self._system(ask, ahead=True), await self._kit()
        return self._prompt(dialogue.messages(system, INTERRUPTED), kit.specs)

    async def _rounds(self, inquiry: _Inquiry) -> bool:
        """Ask the model, and again with what tools have answered, until it has its say; true when that may be nothing."""
        system, kit = await self._system(inquiry.ask), await self._kit()
        if self._services.intent == "intent_llm":
            return await self._decided(inquiry, system, kit)
        for more in range(self._settings.tool_rounds, -1, -1):
            messages = self._dialogue.messages(system, INTERRUPTED)
            prompt = self._prompt(messages, kit.specs if more else ())
            calls = await self._stream(inquiry, prompt)
            if not (calls and prompt.tools):
                return False
            results = await self._call(inquiry, kit, calls)
            if not any(result.kind == "answer" for result in results):
                return all(result.kind == "silent" for result in results)
            if not any(result.text for result in results):
                return False
        return False

    async def _decided(self, inquiry: _Inquiry, system: str, kit: Kit) -> bool:
        """The same where a model of its own decides on one tool, and the one that answers knows of none."""
        messages = self._dialogue.messages(system, INTERRUPTED)
        call = await meant(
            self._services.llms,
            messages,
            kit,
            name=_name(inquiry.exchange),
            seconds=self._settings.first_token_s,
            device=self._traits.device,
        )
        if call is not None:
            (result,) = await self._call(inquiry, kit, (call,))
            if result.kind != "answer":
                return result.kind == "silent"
            system = f"{system}\n\n{texts.FOUND_OUT.format(result=result.text or texts.NO_RESULT)}"
        prompt = self._prompt(self._dialogue.without_tools(system, INTERRUPTED), ())
        await self._stream(inquiry, prompt)
        return False

    async def _stream(self, inquiry: _Inquiry, prompt: Prompt) -> tuple[ToolCall, ...]:
        """One answer of the model: its text goes on as it comes, its calls are given when all are there."""
        reader = CallReader()
        with patience(self._settings.first_token_s) as patient:
            async with await self._open(inquiry, prompt, patient) as tokens:
                patient.begin()
                while (token := await next_of(tokens)) is not None:
                    if isinstance(token, ToolCallDelta):
                        reader.call(token)
                    elif isinstance(token, Text):
                        patient.pause()
                        await inquiry.say(reader.text(token.text))
                    patient.begin()
                patient.begin()
        await inquiry.say(reader.rest())
        if reader.any:
            await inquiry.script.end()
            inquiry.script.owes = True
        try:
            return reader.calls(_name(inquiry.exchange))
        except MalformedCallError as exc:
            log.error(texts.LOG_CALL_UNREADABLE, size=exc.size)
            return ()

    async def _open(self, inquiry: _Inquiry, prompt: Prompt, patient: Patience) -> Opened:
        """The answer to a prompt: the one that was begun early, or a new one. A model that is configured meanwhile has to
        wait for the next utterance, also where the first round was a draft."""
        draft = self._drafts.take(inquiry.ask.purpose, prompt)
        if draft is not None:
            inquiry.llm = draft.llm
            return draft.read()
        if inquiry.llm is None:
            inquiry.llm = await self._services.llms.of(inquiry.ask.purpose, device=self._traits.device).ready()
        patient.begin()
        return inquiry.llm.stream(prompt)

    async def _call(self, inquiry: _Inquiry, kit: Kit, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        """Have tools called, while what was said so far is heard; results that are to be said, are."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._fill, inquiry)
            results = await self._toolbox().call(kit, calls, inquiry.exchange)
            nursery.cancel_scope.cancel("all tools have answered")
        inquiry.exchange.called(
            [presentable(call) for call in calls], [result.text or texts.NO_RESULT for result in results]
        )
        for result in results:
            if result.kind not in ("answer", "silent"):
                await inquiry.say(result.text)
                await inquiry.script.end()
        return results

    async def _fill(self, inquiry: _Inquiry) -> None:
        if self._settings.filler_ms:
            await trio.sleep(self._settings.filler_ms / 1000)
            await inquiry.script.fill(texts.ONE_MOMENT[language_of(inquiry.ask.words)])

    async def _kit(self) -> Kit:
        none = self._services.intent == "none" or self._services.settings.tools.use == "none"
        return Kit() if none else (await self._toolbox().kit()).only(self._services.tenancy.terms.functions)

    async def _system(self, ask: Ask, *, ahead: bool = False) -> str:
        memory = await self._remember(ask.words, ahead=ahead)
        own = self._services.tenancy.terms.prompt
        return "\n\n".join(filter(None, (self._settings.prompt if own is None else own, memory, ask.context)))

    async def _remember(self, words: str, *, ahead: bool) -> str:
        component, terms = self._services.recall, self._services.tenancy.terms
        if terms.memory:
            return given(terms.memory, room=self._services.settings.memory.prompt_chars)
        if terms.forgets or component.disabled:
            return ""
        patience = min(
            RECALL_WITHIN + self._services.settings.memory.embeddings.timeout_s, self._settings.first_token_s
        )
        try:
            with trio.fail_after(patience):
                recall = await component.ready()
                return well_formed(await recall.recall(self._traits.device, words, ahead=ahead))
        except (ProviderError, trio.TooSlowError) as exc:
            log.warning("answering without memory", error=str(exc) or "too slow")
            return ""

    def _prompt(self, messages: tuple[ChatMessage, ...], tools: tuple[ToolSpec, ...]) -> Prompt:
        return Prompt(messages=messages, session=self._traits.session_id, tools=tools)


def _name(exchange: Exchange) -> str:
    """What calls of the next round are named by, where the model does not name them."""
    return f"{exchange.id}-{len(exchange.rounds)}"

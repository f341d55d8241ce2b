"""From words to sentences: the language model's answer, cut for speaking as it comes."""

from __future__ import annotations

from collections.abc import Callable

import trio

from badge import texts
from badge.dialogue import Dialogue
from badge.log import get_log
from badge.modes.base import Ask
from badge.patience import patience
from badge.services import Services
from badge.session.trace import TurnTrace
from badge.session.traits import Traits
from providers.language import language_of
from providers.ports import Prompt, ProviderError, Text, single_error, well_formed
from providers.sentences import SentenceSplitter
from providers.speakable import mood_of

log = get_log(__name__)

INTERRUPTED = "(interrupted)"
"""Stands in a prompt for an answer that never began."""


class Script:
    """Takes an answer piece by piece and passes on whole sentences; shows the mood before the first one."""

    def __init__(
        self,
        splitter: SentenceSplitter,
        sentences: trio.MemorySendChannel[str],
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
            await self._sentences.send(self._whole[0])
            del self._whole[0]


class Thinker:
    """Asks the model about one utterance and lets the script have the answer."""

    def __init__(self, services: Services, traits: Traits) -> None:
        self._services = services
        self._traits = traits

    async def think(self, ask: Ask, dialogue: Dialogue, script: Script) -> None:
        """Answer within the dialogue; when the model fails before anything was said, an apology is said instead."""
        log.info(texts.LOG_USER_TEXT, size=len(ask.words))
        exchange = dialogue.begin(ask.words)
        memory = await self._remember(ask.words)
        prompt = self._prompt(dialogue, "\n\n".join(filter(None, (memory, ask.context))))
        try:
            with single_error():
                await self._stream(ask, prompt, exchange.add, script)
        except (ProviderError, trio.TooSlowError) as exc:
            log.warning("the model failed", error=str(exc) or "too slow")
        await script.end()
        if not script.spoke:
            apology = texts.LLM_FAILED[language_of(ask.words)]
            exchange.add(apology)
            await script.add(apology)
            await script.end()

    async def _stream(self, ask: Ask, prompt: Prompt, keep: Callable[[str], None], script: Script) -> None:
        with patience(self._services.settings.chat.first_token_s) as patient:
            llm = await self._services.llms.of(ask.purpose).ready()
            patient.begin()
            async with llm.stream(prompt) as tokens:
                while True:
                    patient.begin()
                    try:
                        token = await tokens.receive()
                    except trio.EndOfChannel:
                        patient.begin()
                        return
                    if isinstance(token, Text):
                        keep(token.text)
                        patient.pause()
                        await script.add(token.text)

    async def _remember(self, words: str) -> str:
        component, known = self._services.recall, self._services.tenancy.terms.memory
        if known or component.disabled:
            return known
        try:
            with trio.fail_after(self._services.settings.chat.first_token_s):
                recall = await component.ready()
                return well_formed(await recall.recall(self._traits.device, words))
        except (ProviderError, trio.TooSlowError) as exc:
            log.warning("answering without memory", error=str(exc))
            return ""

    def _prompt(self, dialogue: Dialogue, known: str) -> Prompt:
        chat, terms = self._services.settings.chat, self._services.tenancy.terms
        own = chat.prompt if terms.prompt is None else terms.prompt
        system = f"{own}\n\n{known}" if known else own
        tools = tuple(tool for tool in self._services.tools if terms.functions is None or tool.name in terms.functions)
        return Prompt(
            messages=dialogue.messages(system, INTERRUPTED),
            session=self._traits.session_id,
            tools=tools if (terms.intent or chat.intent) == "function_call" else (),
        )

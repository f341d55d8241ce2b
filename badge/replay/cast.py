"""The cast of a replay: every provider, and what it is about to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from badge.recording.records import Kind
from badge.replay.company import PRIVATE, Company
from badge.replay.playback import (
    Played,
    PlayedAsr,
    PlayedLlm,
    PlayedRecall,
    PlayedTts,
    PlayedVad,
    Reels,
    error_of,
    token_of,
)
from badge.replay.playeddesk import Answered, played_desk, refusal_of
from badge.replay.script import Script
from providers.ports import Transcript


class Cast(Company):
    """The providers of a replay, and what they are about to say."""

    def __init__(self, script: Script) -> None:
        known = script.components()
        self._reels = {
            "asr": Reels({}, script.left(Kind.ASR_LEAVE)),
            "llm": Reels(script.errors(Kind.LLM_ERROR), script.left(Kind.LLM_LEAVE)),
            "tts": Reels(script.errors(Kind.TTS_ERROR), script.left(Kind.TTS_LEAVE)),
            "recall": Reels({}),
            "desk": Reels({}),
        }
        self.desk = played_desk(self._reels["desk"])
        providers: dict[str, Played] = {
            "vad": PlayedVad(known.get("vad", {}), script.verdicts()),
            "asr": PlayedAsr(known.get("asr", {}), self._reels["asr"]),
            "tts": PlayedTts(known.get("tts", {}), self._reels["tts"]),
            "recall": PlayedRecall(known.get("recall", {}), self._reels["recall"]),
        }
        for name in script.settings.llm:
            providers[f"llm.{name}"] = PlayedLlm(known.get(f"llm.{name}", {}), self._reels["llm"])
        for name in {r.data[0] for r in script.records if r.kind is Kind.COMPONENT and PRIVATE in r.data[0]}:
            providers[name] = self._private(name, known.get(name, {}), script)
        super().__init__(providers, script.header["components"])

    def _private(self, name: str, known: dict[str, Any], script: Script) -> Played:
        match name.partition(".")[0]:
            case "vad":
                return PlayedVad(known, script.verdicts())
            case "asr":
                return PlayedAsr(known, self._reels["asr"])
            case _:
                return PlayedTts(known, self._reels["tts"])

    def leave(self) -> None:
        """Nobody has to wait for a provider any more."""
        for reels in self._reels.values():
            reels.close()

    def say(self, kind: Kind, number: int, data: tuple[Any, ...]) -> None:
        """A provider says something, fails, ends, or lets go of whoever has left."""
        family, _, what = kind.partition(".")
        reel = self._reels[family][number]
        match what:
            case "end":
                reel.end()
            case "leave":
                reel.let_go()
            case "error" if family in ("llm", "tts"):
                reel.fail()
            case _:
                reel.push(_SAID[kind](*data))


_SAID: dict[Kind, Callable[..., Any]] = {
    Kind.ASR_PARTIAL: lambda fed, text: (fed, text),
    Kind.ASR_FINAL: Transcript,
    Kind.ASR_ERROR: lambda error, _: error_of(error),
    Kind.LLM_TOKEN: token_of,
    Kind.TTS_CHUNK: lambda sound, *_: sound,
    Kind.RECALL_ANSWER: str,
    Kind.RECALL_ERROR: error_of,
    Kind.DESK_ANSWER: Answered,
    Kind.DESK_ERROR: refusal_of,
}
"""What a stream gets, from the data of a record after the number of the stream."""

"""`python -m badge check`: start every provider for real and say what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import attrs
import trio
from attrs import frozen

from badge.app import Choices, choose
from badge.boundary import leaves
from badge.choice import Choice, Workshop, choose_asr, choose_llm, choose_tts, choose_vad, model_folder
from badge.clock import WallClock
from badge.config.llm import Purpose, purposes
from badge.config.settings import Settings
from badge.llms.plan import Plan, plan_of
from providers.asr.funasr import FunasrAsr
from providers.asr.openai import OpenAiAsr
from providers.audiofile import AudioFileError, ffmpeg_version
from providers.opus import OpusError, opus_version
from providers.ports import EAR_RATE, Asr, ChatMessage, Llm, Prompt, Provider, ProviderError, Tts, single_error
from providers.scripted import tone
from providers.streams import next_of
from providers.tts.openai import OpenAiTts

START_WITHIN = 60.0
"""Seconds that one provider has to load."""


@frozen
class Verdict:
    """Whether one part works: `detail` says with what, or what is missing and how to get it."""

    part: str
    works: bool
    detail: str


async def check(
    settings: Settings, environment: Mapping[str, str], clock: WallClock, write: Callable[[str], None]
) -> int:
    """Try everything there is, one after the other; 0 when the configured set can serve."""
    write("every provider:")
    opus = _library("opus", opus_version)
    _show(opus, write)
    _show(
        _library("sound files", ffmpeg_version), write
    )  # for those who send a file: the configured set serves without
    for part, provider in _all(settings, environment, clock):
        _show(await _try(part, provider), write)
    for problem in model_folder(settings).problems():
        write(f"  note     {problem}")
    write("the configured set:")
    serves = opus.works
    choices = choose(settings, environment, clock)
    plan = plan_of(settings.llm, settings.llm_by_purpose, choices.workshop.settle)
    for part, choice in (
        ("vad", choices.vad),
        ("asr", choices.asr),
        ("llm", _talking(settings, choices, plan)),
        ("tts", choices.tts),
    ):
        verdict = Verdict(part, works=True, detail=choice.why)
        if choice.candidates:
            verdict = await _first(part, choice.candidates, write)
        serves &= verdict.works
        _show(verdict, write)
        write(f"           chosen: {choice.why}")
        if choice.better:
            write(f"           better: {choice.better}")
    for name, llm in _other_models(plan, choices.workshop):
        _show(await _try(f"llm {name}", llm), write)
    write("ready to serve" if serves else "cannot serve as configured: see above")
    return 0 if serves else 1


def _all(settings: Settings, environment: Mapping[str, str], clock: WallClock) -> list[tuple[str, Provider]]:
    """Each implementation, set up as the configuration says, whether it is chosen or not."""
    folder = model_folder(settings)
    vads = (attrs.evolve(settings.vad, use="silero"), attrs.evolve(settings.vad, use="energy"))
    asrs = (attrs.evolve(settings.asr, use="pocketsphinx"), attrs.evolve(settings.asr, use="vosk"))
    ttss = (attrs.evolve(settings.tts, use="espeak"), attrs.evolve(settings.tts, use="piper"))
    llm = settings.llm[_conversation(settings)]
    remote: list[tuple[str, Provider]] = [
        ("asr openai", OpenAiAsr(settings.asr.openai, settings.asr.language, environment)),
        ("asr funasr", FunasrAsr(settings.asr.funasr, environment)),
        ("tts openai", OpenAiTts(settings.tts.openai, environment)),
    ]
    llms = (attrs.evolve(llm, use="offline"), attrs.evolve(llm, use="openai"))
    return [
        *((f"vad {v.use}", choose_vad(attrs.evolve(settings, vad=v)).candidates[0]) for v in vads),
        *((f"asr {a.use}", choose_asr(attrs.evolve(settings, asr=a), folder).candidates[0]) for a in asrs),
        *((f"llm {one.use}", choose_llm(one, environment, clock).candidates[0]) for one in llms),
        *((f"tts {t.use}", choose_tts(attrs.evolve(settings, tts=t), folder).candidates[0]) for t in ttss),
        *remote,
    ]


def _talking(settings: Settings, choices: Choices, plan: Plan) -> Choice[Llm]:
    """Whoever talks with the user, and who steps in for him."""
    models = tuple(choices.workshop.make(endpoint.key.settings) for endpoint in plan.chains[Purpose.CHAT])
    return attrs.evolve(choices.llms[_conversation(settings)], candidates=models)


def _other_models(plan: Plan, workshop: Workshop) -> list[tuple[str, Llm]]:
    """Those that answer other purposes; the conversation goes on without them."""
    talking = {endpoint.key for endpoint in plan.chains[Purpose.CHAT]}
    others = (endpoint for endpoint in plan.endpoints if endpoint.key not in talking)
    return [(endpoint.model, workshop.make(endpoint.key.settings)) for endpoint in others]


def _conversation(settings: Settings) -> str:
    """The name of the model that talks."""
    return purposes(settings.llm_by_purpose, settings.llm)[Purpose.CHAT]


async def _first(part: str, candidates: tuple[Provider, ...], write: Callable[[str], None]) -> Verdict:
    """The verdict on the first one that works, else on the last one; those before it are shown."""
    *before, last = candidates
    for candidate in before:
        verdict = await _try(part, candidate)
        if verdict.works:
            return verdict
        _show(verdict, write)
    return await _try(part, last)


async def _try(part: str, provider: Provider) -> Verdict:
    try:
        with trio.move_on_after(START_WITHIN):
            async with trio.open_nursery() as nursery:
                await nursery.start(provider.run)
                await _ask(part, provider)
                nursery.cancel_scope.cancel()
            return Verdict(part, works=True, detail=provider.name)
    except* ProviderError as group:
        verdict = Verdict(part, works=False, detail=str(next(leaves(group))))
    else:
        verdict = Verdict(part, works=False, detail=f"did not start and answer within {START_WITHIN:g} s")
    return verdict


async def _ask(part: str, provider: Provider) -> None:
    """Have it do the least that it is there for: remote ones start without asking their server. Raises `ProviderError`."""
    match part.split()[0]:
        case "llm":
            await _converse(cast("Llm", provider))
        case "asr":
            await _listen(cast("Asr", provider))
        case "tts":
            await _speak(cast("Tts", provider))


async def _listen(asr: Asr) -> None:
    """Have a short sound recognised, whatever is heard in it. Raises `ProviderError`."""
    with single_error():
        async with asr.recognise() as recognition:
            await recognition.feed(tone(0.6, EAR_RATE))
            await recognition.finish()


async def _speak(tts: Tts) -> None:
    """Have a word spoken. Raises `ProviderError`."""
    with single_error():
        async with tts.speak("Hello.") as audio:
            first = await next_of(audio)
    if first is None:
        raise ProviderError("tts", "no sound comes.")


async def _converse(llm: Llm) -> None:
    """Have the model say something, as little as it can. Raises `ProviderError`."""
    prompt = Prompt(messages=(ChatMessage(role="user", content="Say hi."),), session="check")
    with single_error():
        async with llm.stream(prompt) as tokens:
            await next_of(tokens)


def _library(part: str, version: Callable[[], str]) -> Verdict:
    try:
        return Verdict(part, works=True, detail=version())
    except (OpusError, AudioFileError) as exc:
        return Verdict(part, works=False, detail=str(exc))


def _show(verdict: Verdict, write: Callable[[str], None]) -> None:
    write(f"  {'ok' if verdict.works else 'missing':<8} {verdict.part:<17} {verdict.detail}")

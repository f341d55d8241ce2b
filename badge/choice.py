"""Which implementation serves for what, from the settings and from what is installed: with the reason, in words."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Generic, Literal, TypeVar
from urllib.parse import urlsplit

import attrs
from attrs import frozen

from badge.clock import WallClock
from badge.config.llm import LlmSettings
from badge.config.memory import MemorySettings
from badge.config.settings import Settings
from badge.fallback import FallbackAsr, FallbackTts
from providers.asr.funasr import FunasrAsr
from providers.asr.openai import OpenAiAsr
from providers.asr.pocketsphinx import PocketsphinxAsr
from providers.asr.vosk import VoskAsr
from providers.embeddings import OpenAiEmbeddings
from providers.keys import key_in
from providers.llm.offline import OfflineLlm
from providers.llm.openai import OpenAiLlm
from providers.models import ModelFolder, default_folder
from providers.ports import Asr, Embedder, Llm, Provider, Tts, Vad
from providers.tts.espeak import EspeakTts
from providers.tts.openai import OpenAiTts
from providers.tts.piper import PiperTts
from providers.vad.energy import EnergyVad
from providers.vad.silero import SileroVad

P = TypeVar("P", bound=Provider)

VOSK_MODELS = {"en": "vosk-model-small-en-us-0.15", "zh": "vosk-model-small-cn-0.22"}
PIPER_VOICES = {"en": "en_US-lessac-medium", "zh": "zh_CN-huayan-medium"}

SHARE = 0.7
"""Of the patience with speech, how much a server may use up before the provider of this machine steps in."""


@frozen(kw_only=True)
class Choice(Generic[P]):
    """Providers of one kind, the first that starts serves. `why` says what was chosen and for what reason, `better`
    what could be had and how; empty when there is nothing better to have."""

    candidates: tuple[P, ...]
    why: str
    better: str = ""


@frozen(kw_only=True)
class Workshop:
    """Where language models are made: `settle` decides what settings leave open, `make` makes a provider of settled ones."""

    settle: Callable[[LlmSettings], LlmSettings]
    make: Callable[[LlmSettings], Llm]


def workshop(environment: Mapping[str, str], clock: WallClock) -> Workshop:
    """The workshop of a server."""
    return Workshop(
        settle=lambda settings: settled(settings, environment),
        make=lambda settings: choose_llm(settings, environment, clock).candidates[0],
    )


def model_folder(settings: Settings) -> ModelFolder:
    """Where models are looked for."""
    return ModelFolder(Path(settings.models.folder).expanduser() if settings.models.folder else default_folder())


def choose_vad(settings: Settings) -> Choice[Vad]:
    """Silero, with loudness to fall back on; or as configured."""
    vad = settings.vad
    energy = EnergyVad(vad.energy)
    match vad.use:
        case "silero":
            return Choice(candidates=(SileroVad(vad.silero), energy), why="Silero")
        case "energy":
            return Choice(candidates=(energy,), why="loudness", better='use = "silero" in [vad] hears speech in noise')
        case "none":
            return Choice(candidates=(), why="off: badges must bound their utterances themselves (manual mode)")


def choose_asr(settings: Settings, folder: ModelFolder, environment: Mapping[str, str] = os.environ) -> Choice[Asr]:
    """A Vosk model of the language where there is one, else the embedded recogniser; or a server, before these."""
    if settings.asr.use in ("openai", "funasr"):
        return _remote_asr(settings, folder, environment)
    asr, language = settings.asr, settings.asr.language
    installed = [model for model in folder.vosk_models() if model.language == language]
    model = asr.vosk.model or (str(installed[0].path) if installed else "")
    get_vosk = f"python -m badge models {VOSK_MODELS[language]}"
    embedded = PocketsphinxAsr(asr.pocketsphinx)
    if asr.use == "none":
        return Choice(candidates=(), why="off: badges can only send text")
    if asr.use == "vosk" or (asr.use == "auto" and model):
        vosk = VoskAsr(attrs.evolve(asr.vosk, model=model))
        fallback = (embedded,) if asr.use == "auto" and language == "en" else ()
        if not model:
            return Choice(candidates=(vosk,), why="nothing: Vosk is configured, and has no model", better=get_vosk)
        return Choice(candidates=(vosk, *fallback), why=f"Vosk, {Path(model).name}")
    if language == "en":
        return Choice(candidates=(embedded,), why="pocketsphinx (embedded, English only)", better=get_vosk)
    why = "pocketsphinx (embedded, English only): it will not understand Mandarin"
    return Choice(candidates=(embedded,), why=why, better=get_vosk)


def settled(settings: LlmSettings, environment: Mapping[str, str]) -> LlmSettings:
    """The settings with everything in them that makes a difference: which implementation `auto` is, and what the key file says
    now. A file that cannot be read is left to the provider, which says so when it starts."""
    openai = settings.openai
    if openai.api_key:  # it overrides the file, and when it is refused the file is not to blame
        openai = attrs.evolve(openai, api_key_file="")
    elif openai.api_key_file:
        with suppress(OSError, UnicodeDecodeError):
            openai = attrs.evolve(openai, api_key=key_in(openai.api_key_file))
    return attrs.evolve(settings, use=_use(settings, environment), openai=openai)


def _use(settings: LlmSettings, environment: Mapping[str, str]) -> Literal["openai", "offline"]:
    """Which implementation serves, for which no file is read."""
    if settings.use != "auto":
        return settings.use
    openai = settings.openai
    connected = openai.base_url or openai.api_key or openai.api_key_file or environment.get(openai.api_key_env)
    return "openai" if connected else "offline"


def _remote_asr(settings: Settings, folder: ModelFolder, environment: Mapping[str, str]) -> Choice[Asr]:
    asr = settings.asr
    remote: Asr = FunasrAsr(asr.funasr, environment)
    if asr.use == "openai":
        remote = OpenAiAsr(asr.openai, asr.language, environment)
    local = choose_asr(attrs.evolve(settings, asr=attrs.evolve(asr, use="auto")), folder)
    if asr.language == "zh" and not isinstance(local.candidates[0], VoskAsr):  # what it hears in Mandarin is no words
        return Choice(candidates=(remote,), why=f"{remote.name}, and nothing beside it", better=local.better)
    both = FallbackAsr("asr", remote, *local.candidates, seconds=asr.timeout_s * SHARE)
    return Choice(candidates=(both, *local.candidates), why=f"{remote.name}, else {local.why}")


def choose_llm(settings: LlmSettings, environment: Mapping[str, str], clock: WallClock) -> Choice[Llm]:
    """A language model where one is configured, else the offline assistant."""
    openai, offline = OpenAiLlm(settings.openai, environment), OfflineLlm(clock.now)
    address = urlsplit(settings.openai.base_url)
    where = address._replace(netloc=address.netloc.rpartition("@")[2]).geturl() or "api.openai.com"
    if _use(settings, environment) == "openai":
        return Choice(candidates=(openai,), why=f"{settings.openai.model} at {where}")
    return Choice(
        candidates=(offline,),
        why="offline assistant (a few skills, no network)",
        better=f"set {settings.openai.api_key_env}, or base_url in [llm.default.openai], for a real conversation",
    )


def choose_embedder(settings: MemorySettings) -> tuple[Embedder, ...]:
    """An embedding model where one is configured, and something is remembered."""
    wanted = settings.use != "none" and settings.embeddings.use == "openai"
    return (OpenAiEmbeddings(settings.embeddings),) if wanted else ()


def choose_tts(settings: Settings, folder: ModelFolder, environment: Mapping[str, str] = os.environ) -> Choice[Tts]:
    """Piper voices where there are some, else espeak, which also steps in when Piper does not start; or a server, before
    these."""
    tts = settings.tts
    if tts.use == "openai":
        remote = OpenAiTts(tts.openai, environment)
        local = choose_tts(attrs.evolve(settings, tts=attrs.evolve(tts, use="auto")), folder)
        both = FallbackTts("tts", remote, *local.candidates, seconds=tts.timeout_s * SHARE)
        return Choice(candidates=(both, *local.candidates), why=f"{remote.name}, else {local.why}")
    espeak = EspeakTts(tts.espeak)
    if tts.use == "none":
        return Choice(candidates=(), why="off: answers are text only")
    better = " ".join(("python -m badge models", *PIPER_VOICES.values()))
    installed = {voice.language: str(voice.path) for voice in reversed(folder.piper_voices())}
    en, zh = tts.piper.en or installed.get("en", ""), tts.piper.zh or installed.get("zh", "")
    if tts.use == "piper" or (tts.use == "auto" and (en or zh)):
        piper = PiperTts(attrs.evolve(tts.piper, en=en, zh=zh))
        names = ", ".join(Path(path).stem for path in (en, zh) if path)
        if not names:
            why = "espeak, because Piper is configured, and has no voice"
            return Choice(candidates=(piper, espeak), why=why, better=better)
        return Choice(candidates=(piper, espeak), why=f"Piper, {names}")
    return Choice(candidates=(espeak,), why="espeak (embedded, English and Mandarin)", better=better)

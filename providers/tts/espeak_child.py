"""espeak-ng through ctypes, in the worker process that `providers.tts.espeak` starts."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from providers.child import Job, Work, WorkError, serve
from providers.language import language_of
from providers.pcm import Resampler

CHUNK_MS = 100

# Of espeak-ng/speak_lib.h:
_SYNCHRONOUS = 2  # espeak_Synth returns when all is spoken
_DONT_EXIT = 0x8000  # on missing data; report instead
_CHARACTERS = 1  # positions are counted in them; not used
_UTF8, _END_PAUSE = 0x0001, 0x1000  # the pause keeps sentences apart that are played one after the other
_RATE, _PITCH = 1, 3

_OnAudio = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)

_REMEDY = "Run: pip install espeakng-loader"


def start(settings: dict[str, Any]) -> Work:
    """Load the library and try both voices, which also loads their dictionaries."""
    voice = Espeak(settings["target_rate"])
    voice.tune(rate=settings["rate"], pitch=settings["pitch"])
    voices = {"en": settings["english"], "zh": settings["mandarin"]}
    for name in voices.values():
        voice.choose(name)

    def speak(job: Job) -> None:
        voice.choose(voices[language_of(job.payload)])
        voice.speak(job)

    return speak


class Espeak:
    """The library, of which a process has one: not safe for threads, one text at a time."""

    def __init__(self, target_rate: int) -> None:
        self._library, data = _load()
        rate = self._library.espeak_Initialize(_SYNCHRONOUS, CHUNK_MS, str(data.parent).encode(), _DONT_EXIT)
        if rate <= 0:
            raise WorkError(f"espeak-ng finds no usable data in {data}.", remedy=_REMEDY)
        self._variants = {path.name for path in (data / "voices" / "!v").iterdir()} | {""}
        self._resampler = Resampler(rate, target_rate)
        self._on_audio = _OnAudio(self._take)  # kept here: the library does not keep it alive
        self._library.espeak_SetSynthCallback(self._on_audio)
        self._job: Job | None = None
        self._heard = False

    def tune(self, *, rate: int, pitch: int) -> None:
        """Words per minute, and 0 to 99."""
        self._library.espeak_SetParameter(_RATE, rate, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)

    def choose(self, name: str) -> None:
        """Speak as this voice from now on. Raises `WorkError` when there is none of that name."""
        known = name.partition("+")[2] in self._variants  # espeak itself ignores one that it does not know
        if not known or self._library.espeak_SetVoiceByName(name.encode()) != 0:
            raise WorkError(
                f'there is no voice "{name}".',
                remedy='In [tts.espeak], english = "en-us" and mandarin = "cmn" work, also with a variant: +f1 to +f5, +m1 to +m8.',
            )

    def speak(self, job: Job) -> None:
        """Reply with the audio of the text in pieces, or with nothing when there is nothing to say."""
        self._job, self._heard = job, False
        text = job.payload.encode()
        self._library.espeak_Synth(text, len(text) + 1, 0, _CHARACTERS, 0, _UTF8 | _END_PAUSE, None, None)
        rest = self._resampler.flush()
        if self._heard:
            job.reply(rest)

    def _take(self, samples: int | None, count: int, _: int | None) -> int:
        """Called by the library with each piece of audio; whether it shall stop."""
        assert self._job is not None
        if self._job.cancelled:
            return 1
        if samples and count:
            pcm = ctypes.string_at(samples, 2 * count)
            self._heard = self._heard or any(pcm)  # silence alone is what it makes of "..."
            if self._heard:
                self._job.reply(self._resampler.feed(pcm))
        return 0


def _load() -> tuple[ctypes.CDLL, Path]:
    """The library and its data folder, from the wheel that carries them."""
    try:
        import espeakng_loader

        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except (ImportError, OSError) as exc:
        raise WorkError(f"espeak-ng does not load: {exc}.", remedy=_REMEDY) from exc
    library.espeak_Synth.argtypes = (
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    )
    return library, Path(espeakng_loader.get_data_path())


if __name__ == "__main__":
    serve(start)

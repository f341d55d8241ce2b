"""Piper voices, in the worker process that `providers.tts.piper` starts."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from providers.child import Job, Work, WorkError, serve
from providers.language import language_of
from providers.pcm import Resampler, byte_count

CHUNK = 0.1
"""s of audio in one reply."""


def start(settings: dict[str, Any]) -> Work:
    """Load one voice or two."""
    paths = {language: Path(settings[language]).expanduser() for language in ("en", "zh") if settings[language]}
    if not paths:
        raise WorkError("there is no Piper voice.", remedy="Get one with: python -m badge models")
    voices = {language: Voice(path, settings) for language, path in paths.items()}
    substitute = next(iter(voices.values()))

    def speak(job: Job) -> None:
        voices.get(language_of(job.payload), substitute).speak(job)

    return speak


class Voice:
    """One voice, ready to speak: it has spoken a word already, which sets up what is set up on first use."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self._step = byte_count(CHUNK, settings["target_rate"])
        try:
            self._session, self._voice = _load(path)
            self._resampler = Resampler(self._voice.config.sample_rate, settings["target_rate"])
            self._how = _style(self._voice.config.length_scale / settings["speed"])
            list(self._voice.synthesize("a", self._how))
        except ImportError as exc:
            raise WorkError(f"piper does not load: {exc}.", remedy="Run: pip install piper-tts") from exc
        except OSError as exc:
            raise WorkError(f"{exc.filename} cannot be read: {exc.strerror}.", remedy=_REMEDY) from exc
        except Exception as exc:  # onnxruntime has a class for each status code, piper trusts its files
            raise WorkError(
                f"{path} is no Piper voice: {type(exc).__name__}: {exc}".rstrip(".") + ".", remedy=_REMEDY
            ) from exc

    def speak(self, job: Job) -> None:
        """Reply with the audio of each sentence in pieces; stops within milliseconds when nobody waits."""
        job.on_cancel(self._session.fresh_brake())
        try:
            for sentence in self._voice.synthesize(job.payload, self._how):
                audio = self._resampler.feed(sentence.audio_int16_bytes) + self._resampler.flush()
                for at in range(0, len(audio), self._step):
                    job.reply(audio[at : at + self._step])
        except Exception:
            if not job.cancelled:  # else it is how onnxruntime says that it was stopped
                raise


class BrakedSession:
    """An onnxruntime session, for piper, that another thread can stop in the middle of a sentence."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._options: Any = None

    def fresh_brake(self) -> Callable[[], None]:
        """What stops the runs from now on, until the next call of this."""
        from onnxruntime import RunOptions

        options = self._options = RunOptions()
        return partial(setattr, options, "terminate", True)  # noqa: FBT003 - setattr takes no keywords

    def run(self, outputs: Any, feeds: Any) -> Any:
        """The call that piper makes."""
        return self._session.run(outputs, feeds, self._options)


def _load(path: Path) -> tuple[BrakedSession, Any]:
    """The voice as `PiperVoice.load` makes it, but with one thread and without an arena, which would keep 170 MB."""
    import onnxruntime
    from piper import PiperConfig, PiperVoice

    config = PiperConfig.from_dict(json.loads(path.with_name(f"{path.name}.json").read_bytes()))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    with path.open("rb"):
        pass  # what keeps it from being read is said better by this than by onnxruntime
    session = BrakedSession(onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]))
    return session, PiperVoice(session=session, config=config)


def _style(length_scale: float) -> Any:
    from piper import SynthesisConfig

    return SynthesisConfig(length_scale=length_scale)


_REMEDY = "Get it again with: python -m badge models"


if __name__ == "__main__":
    serve(start)

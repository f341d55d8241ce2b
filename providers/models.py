"""Where speech models are on disk and which of them are complete."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import platformdirs
from attrs import frozen

from providers.ports import Language

_LANGUAGES: dict[str, Language] = {"en": "en", "zh": "zh", "cn": "zh", "cmn": "zh"}


@frozen
class VoskModel:
    """A complete Vosk model; `path` is its folder."""

    name: str
    path: Path
    language: Language


@frozen
class PiperVoiceFile:
    """A complete Piper voice; `path` is its .onnx file, and the .onnx.json lies beside it."""

    name: str
    path: Path
    language: Language


@frozen
class ModelFolder:
    """A folder with `vosk/<model>/…` and `piper/<voice>.onnx` + `.onnx.json`; each call looks at the disk again.

    Nothing here raises: what cannot be used is left out and explained by `problems`.
    """

    path: Path

    def vosk_models(self) -> tuple[VoskModel, ...]:
        """The complete models in order of their names."""
        return tuple(found for found in self._vosk() if isinstance(found, VoskModel))

    def piper_voices(self) -> tuple[PiperVoiceFile, ...]:
        """The complete voices in order of their names."""
        return tuple(found for found in self._piper() if isinstance(found, PiperVoiceFile))

    def problems(self) -> tuple[str, ...]:
        """One sentence about each thing that is there and cannot be used."""
        return tuple(found for found in (*self._vosk(), *self._piper()) if isinstance(found, str))

    def _vosk(self) -> Iterator[VoskModel | str]:
        for path in _entries(self.path / "vosk"):
            if isinstance(path, str):
                yield path
            elif path.suffix == ".zip":
                yield f"{path} is still packed; unpack it in {path.parent}."
            elif not _maybe(path.is_dir):
                continue
            elif flaw := vosk_flaw(path):
                yield f"{path} is no complete Vosk model: {flaw}. {_again(path.name)}"
            elif language := _language(path.name):
                yield VoskModel(path.name, path, language)
            else:
                yield f"{path} is not used: its name says neither -en- nor -cn-."

    def _piper(self) -> Iterator[PiperVoiceFile | str]:
        paths = list(_entries(self.path / "piper"))
        yield from (path for path in paths if isinstance(path, str))
        names = {_voice_name(path) for path in paths if isinstance(path, Path)}
        for name in sorted(names - {""}):
            path = self.path / "piper" / f"{name}.onnx"
            flaw = piper_flaw(path)
            if flaw:
                yield f"{path} is no complete Piper voice: {flaw}. {_again(name)}"
            elif language := _language(name) or _spoken(_read_config(path)):
                yield PiperVoiceFile(name, path, language)
            else:
                yield f"{path} is not used: it speaks neither English nor Chinese."


def default_folder() -> Path:
    """The folder that BADGE_MODELS names, else `badge/models` in the user's cache folder."""
    named = os.environ.get("BADGE_MODELS")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("badge") / "models"


def vosk_flaw(path: Path) -> str:
    """What keeps the folder from being a Vosk model that loads; empty when nothing does."""
    needed = ["am/final.mdl", "conf/model.conf"]
    if _maybe((path / "graph/HCLG.fst").exists):
        needed += ["graph/HCLG.fst", "graph/words.txt"]
    elif _maybe((path / "graph/HCLr.fst").exists) or _maybe((path / "graph/Gr.fst").exists):
        needed += ["graph/HCLr.fst", "graph/Gr.fst"]  # Gr.fst carries the words itself, as in all the small models
    else:
        needed += ["graph/HCLG.fst"]
    return _first_flaw(path, needed)


def piper_flaw(path: Path) -> str:
    """What keeps the .onnx file from being a Piper voice with its .onnx.json; empty when nothing does."""
    config = f"{path.name}.json"
    flaw = _first_flaw(path.parent, [path.name, config])
    return flaw or ("" if _read_config(path) is not None else f"{config} is not a JSON object")


def _first_flaw(folder: Path, needed: list[str]) -> str:
    for name in needed:
        path = folder / name
        try:
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size == 0:
                return f"{name} is empty"
            with path.open("rb"):
                pass
        except OSError as exc:
            return f"{name} cannot be read ({exc.strerror})"
    return ""


def _entries(folder: Path) -> Iterator[Path | str]:
    """What lies in the folder, sorted and without hidden files, or why that cannot be said."""
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as exc:
        yield f"{folder} cannot be read ({exc.strerror})."
        return
    yield from (path for path in paths if not path.name.startswith("."))


def _maybe(look: Callable[[], bool]) -> bool:
    """What a look at the disk says; yes when it is forbidden, so that reading tells why."""
    try:
        return look()
    except OSError:
        return True


def _voice_name(path: Path) -> str:
    for suffix in (".onnx", ".onnx.json"):
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return ""


def _read_config(voice: Path) -> Mapping[str, Any] | None:
    try:
        config = json.loads(voice.with_name(f"{voice.name}.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None


def _language(name: str) -> Language | None:
    parts = re.split(r"[-_.]", name.lower())
    return next((_LANGUAGES[part] for part in parts if part in _LANGUAGES), None)


def _spoken(config: Mapping[str, Any] | None) -> Language | None:
    """The language in a voice's own words: `language.code` (en_US), else espeak's voice (en-us, cmn)."""
    for group, key in (("language", "code"), ("language", "family"), ("espeak", "voice")):
        inner = (config or {}).get(group)
        value = inner.get(key) if isinstance(inner, dict) else None
        if isinstance(value, str) and (language := _LANGUAGES.get(re.split(r"[-_]", value.lower())[0])):
            return language
    return None


def _again(name: str) -> str:
    return f"Get it with: python -m badge models {name}"

"""Which models can be downloaded: a short built-in list, and the full lists that Vosk and Piper publish."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal

from attrs import frozen

from protocol.strict import make_converter, structure
from providers.ports import Language

Kind = Literal["vosk", "piper"]

BASES: dict[Kind, str] = {
    "vosk": "https://alphacephei.com/vosk/models",
    "piper": "https://huggingface.co/rhasspy/piper-voices/resolve/main",
}
"""The official addresses; a mirror holds both below one."""

LISTS: dict[Kind, str] = {"vosk": "model-list.json", "piper": "voices.json"}
"""Names of the published lists, below the base address."""

_NAME = re.compile(r"(?!\.)[^/\\:\x00-\x1f]{1,100}")
_MD5 = re.compile(r"[0-9a-f]{32}")


@frozen
class Known:
    """A model that the program can name without asking anybody; `megabytes` is roughly what it loads."""

    kind: Kind
    name: str
    language: Language
    megabytes: int
    note: str
    recommended: bool = False

    def address(self, base: str) -> str:
        """Where it is below the base address."""
        if self.kind == "vosk":
            return f"{base}/{self.name}.zip"
        region, speaker, quality = self.name.split("-")
        return f"{base}/{region[:2]}/{region}/{speaker}/{quality}/{self.name}.onnx"


KNOWN = (
    Known("vosk", "vosk-model-small-en-us-0.15", "en", 40, "light, good for conversation", recommended=True),
    Known("vosk", "vosk-model-small-cn-0.22", "zh", 42, "light, good for conversation", recommended=True),
    Known("vosk", "vosk-model-en-us-0.22-lgraph", "en", 128, "more words than the small one"),
    Known("vosk", "vosk-model-en-us-0.22", "en", 1800, "most accurate, up to 16 GB of memory"),
    Known("vosk", "vosk-model-cn-0.22", "zh", 1300, "most accurate, up to 16 GB of memory"),
    Known("piper", "en_US-lessac-medium", "en", 63, "clear woman's voice", recommended=True),
    Known("piper", "en_US-amy-low", "en", 63, "woman's voice, less work for the machine"),
    Known("piper", "zh_CN-huayan-medium", "zh", 63, "clear woman's voice", recommended=True),
    Known("piper", "zh_CN-huayan-x_low", "zh", 21, "the same voice for small machines"),
)


@frozen
class Part:
    """One file of a model: `size` in bytes, `md5` in lower-case hexadecimal."""

    url: str
    file: str
    size: int
    md5: str


@frozen
class Offer:
    """A model in a published list."""

    kind: Kind
    name: str
    parts: tuple[Part, ...]


def read_list(kind: Kind, data: bytes, base: str) -> dict[str, Offer]:
    """The models of a published list by name.

    Entries that lack a file, its size or its checksum are left out. Raises `ValueError` when it is no such list.
    """
    try:
        value = json.loads(data)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    offers = {offer.name: offer for offer in _READERS[kind](value, base) if _NAME.fullmatch(offer.name)}
    if not offers:
        raise ValueError("it names no model")
    return offers


@frozen
class _VoskEntry:
    name: str
    md5: str
    size: int


@frozen
class _PiperFile:
    size_bytes: int
    md5_digest: str


@frozen
class _PiperEntry:
    files: dict[str, _PiperFile]


_converter = make_converter(forbid_unknown=False)


def _vosk_offers(value: Any, base: str) -> Iterator[Offer]:
    for entry in value if isinstance(value, list) else ():
        found = structure(_converter, entry, _VoskEntry)
        if isinstance(found, _VoskEntry) and _is_sound(found.size, found.md5):
            file = f"{found.name}.zip"
            yield Offer("vosk", found.name, (Part(f"{base}/{file}", file, found.size, found.md5),))


def _piper_offers(value: Any, base: str) -> Iterator[Offer]:
    for name, entry in value.items() if isinstance(value, dict) else ():
        found = structure(_converter, entry, _PiperEntry)
        if not isinstance(found, _PiperEntry):
            continue
        wanted = (f"{name}.onnx.json", f"{name}.onnx")
        parts = tuple(
            Part(f"{base}/{path}", file, about.size_bytes, about.md5_digest)
            for file in wanted
            for path, about in found.files.items()
            if path.rpartition("/")[2] == file and _is_sound(about.size_bytes, about.md5_digest)
        )
        if len(parts) == len(wanted):
            yield Offer("piper", name, parts)


def _is_sound(size: int, md5: str) -> bool:
    return size > 0 and _MD5.fullmatch(md5) is not None


_READERS: dict[Kind, Callable[[Any, str], Iterator[Offer]]] = {"vosk": _vosk_offers, "piper": _piper_offers}

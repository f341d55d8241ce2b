"""The recorder: decides which sessions are recorded, and runs them with a seam around everything that they touch."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
import random
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import trio

from badge import __version__
from badge.boundary import boundary
from badge.clock import Ids, WallClock
from badge.config.llm import purposes
from badge.config.settings import RecordingSettings, Settings
from badge.link import Wire
from badge.log import get_log
from badge.metrics import Metrics
from badge.recording.components import RecordedPrivate, seam, seam_of_llms, standing
from badge.recording.connection import RecordedClock, RecordedDelivery, RecordedPresence, RecordedWire
from badge.recording.desk import recorded_desk
from badge.recording.journal import SUFFIX, Archive, Journal, Note
from badge.recording.privacy import Refinement
from badge.recording.records import Kind
from badge.recording.streams import RecordedAsr, RecordedRecall, RecordedTts, RecordedVad
from badge.services import Services
from badge.session.session import converse
from protocol import Identity
from protocol.identity import normalise
from providers.opus import opus_version

log = get_log(__name__)

MEGABYTE = 1_048_576

_OURS = re.compile(rf"\d{{8}}-\d{{6}}-.*-[0-9a-f]{{8}}{re.escape(SUFFIX)}")
"""Names of files that a recorder has made; others in its folder, such as capsules, are nothing to it."""


class Recorder:
    """Attends to badges as `converse` does, and keeps a record of those that the settings ask for."""

    def __init__(self, settings: RecordingSettings, clock: WallClock, metrics: Metrics) -> None:
        self._settings = settings
        self._clock = clock
        self._folder = Path(settings.folder)
        self._archive = Archive(metrics, self._make_room)
        self._random = random.SystemRandom()
        self._devices = frozenset(map(normalise, settings.devices))

    async def run(self) -> None:
        """Write what is recorded, until cancelled."""
        if self._settings.use != "off":
            await self._archive.run()

    async def attend(self, identity: Identity, wire: Wire, services: Services) -> None:
        """Serve one badge from welcome to goodbye."""
        seed = self._random.getrandbits(64)
        journal = self._begin(identity, services, seed) if self._wants(identity.device) else None
        if journal is None:
            await converse(identity, wire, services)
            return
        reason = "failed"
        try:
            await converse_on_record(identity, wire, services, journal, seed)
            reason = "over"
        finally:
            journal.end(reason)

    def _begin(self, identity: Identity, services: Services, seed: int) -> Journal | None:
        """A journal for this session; None when that fails, which is no reason to turn a badge away."""
        with boundary("recording", log):
            header = make_header(identity, services, seed=seed, wall=self._clock.now())
            refine = Refinement(header, audio=self._settings.audio, text=self._settings.text)
            limit = round(self._settings.file_mb * MEGABYTE)
            return self._archive.begin(self._folder / self._name(header), refine, header, limit=limit)
        return None

    def _wants(self, device: str) -> bool:
        match self._settings.use:
            case "off":
                return False
            case "all":
                return True
            case "some":
                return device in self._devices or self._random.random() < self._settings.share

    def _name(self, header: dict[str, Any]) -> str:
        """Sorted by time, told apart by the device and a random part; without the device where words are redacted."""
        moment = self._clock.now().strftime("%Y%m%d-%H%M%S")
        device = re.sub(r"[^a-z0-9]+", "-", header["identity"]["device"])[:40].strip("-")
        who = "badge" if self._settings.text == "redact" else device
        return f"{moment}-{who}-{header['seed'] & 0xFFFFFFFF:08x}{SUFFIX}"

    def _make_room(self, busy: frozenset[Path]) -> None:
        """Make the folder, and forget what is too old or too much, but nothing that is being written."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        room = self._settings.folder_mb * MEGABYTE
        oldest = (self._clock.now() - datetime.timedelta(days=self._settings.days)).timestamp()
        found = []
        for file in self._folder.glob(f"*{SUFFIX}"):
            if _OURS.fullmatch(file.name):
                with suppress(FileNotFoundError):
                    found.append((file.stat(), file))
        gone = 0
        for stat, file in sorted(found, key=lambda one: -one[0].st_mtime):
            room -= stat.st_size
            if (room < 0 or stat.st_mtime < oldest) and file not in busy:
                file.unlink(missing_ok=True)
                gone += 1
        if gone:
            log.info("old recordings have made room", files=gone)


async def converse_on_record(identity: Identity, wire: Wire, services: Services, journal: Note, seed: int) -> None:
    """Serve one badge with a seam around everything that its session touches."""
    async with trio.open_nursery() as nursery:
        over = trio.Event()
        nursery.start_soon(_note_cancellation, over, journal)
        await converse(identity, RecordedWire(wire, journal), recorded(services, journal, seed))
        over.set()


async def _note_cancellation(over: trio.Event, journal: Note) -> None:
    """Tasks of the session are cancelled at the same moment as this one, and do what they do later."""
    try:
        await over.wait()
    except trio.Cancelled:
        journal.note(Kind.CANCEL)
        raise


def recorded(services: Services, journal: Note, seed: int) -> Services:
    """The same services, with a seam around each that the session talks to, and ids that can be repeated."""

    vad, asr, tts = (seam(journal, wrap) for wrap in (RecordedVad, RecordedAsr, RecordedTts))
    llm = seam_of_llms(journal)
    return attrs.evolve(
        services,
        ids=Ids(seed),
        presence=RecordedPresence(services.presence, journal),
        vad=vad(services.vad),
        asr=asr(services.asr),
        tts=tts(services.tts),
        recall=seam(journal, RecordedRecall)(services.recall),
        llms=services.llms.around(llm),
        private=RecordedPrivate(services.private, journal, {"vad": vad, "asr": asr, "tts": tts}),
        deliveries=tuple(RecordedDelivery(delivery) for delivery in services.deliveries),
        clock=RecordedClock(services.clock, journal),
        desk=recorded_desk(services.desk, journal),
        watch=lambda *transition: journal.note(Kind.STATE, *transition),
    )


def make_header(identity: Identity, services: Services, *, seed: int, wall: datetime.datetime) -> dict[str, Any]:
    """What has to be known beforehand to repeat a session."""
    settings = session_settings(services.settings)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return {
        "program": __version__,
        "codec": codec(),
        "started": wall.isoformat(),
        "seed": seed,
        "scheduler_seed": 0,
        "settings": settings,
        "digest": digest,
        "identity": {
            "device": identity.device,
            "client": identity.client,
            "framing": identity.framing.name,
            "source": str(identity.source),
            "http_url": identity.http_url,
        },
        "components": {component.kind: standing(component) for component in services.components()},
        "audio": "keep",
        "text": "keep",
    }


def codec() -> str:
    """What encoded the audio: another library, or the same on another processor, may give other bytes."""
    return f"{opus_version()} {platform.machine()}"


_OF_THE_SERVER = (
    "server",
    "auth",
    "ota",
    "models",
    "mcp",
    "recording",
    "log",
    "stats",
    "store",
    "llm_breaker",
    "workflow",
    "peer",
    "reminders",
)
_OF_PROVIDERS = {
    "asr": ("vosk", "pocketsphinx", "openai", "funasr"),
    "tts": ("espeak", "piper", "openai"),
    "memory": ("embeddings",),
}
_OF_DEVICES = ("binding",)
"""What a session reads of [devices], where there are secrets, too."""


def session_settings(settings: Settings) -> dict[str, Any]:
    """The settings that a session reads, as plain values: none of them is a secret."""
    tables: dict[str, Any] = {
        name: value for name, value in attrs.asdict(settings).items() if name not in _OF_THE_SERVER
    }
    tables["llm"] = {name: {} for name in tables["llm"]}
    tables["tools"] = {"use": settings.tools.use}
    names = purposes(settings.llm_by_purpose, settings.llm)  # what else stands there may be secret
    tables["llm_by_purpose"] = {str(purpose): name for purpose, name in names.items()}
    tables["devices"] = {name: tables["devices"][name] for name in _OF_DEVICES}
    for table, inner in _OF_PROVIDERS.items():
        for name in inner:
            del tables[table][name]
    return tables

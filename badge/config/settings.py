"""The schema of config.toml: every setting with its default, its meaning and what values are right."""

from __future__ import annotations

import re
from typing import Any, Literal

from attrs import frozen

from badge import texts
from badge.config.devices import DevicesSettings, wrong_devices
from badge.config.llm import BreakerSettings, LlmSettings, PurposeSettings, wrong_models
from badge.config.mcp import MCP_DOC, McpSettings, wrong_servers
from badge.config.memory import MemorySettings
from badge.config.team import (
    CodingSettings,
    MeetingSettings,
    PeerSettings,
    ReminderSettings,
    StoreSettings,
    WorkflowSettings,
)
from badge.config.tools import ToolSettings, wrong_tools
from protocol.identity import normalise
from protocol.vocabulary import ListenMode
from providers.asr.funasr import FunasrSettings
from providers.asr.openai import OpenAiAsrSettings
from providers.asr.pocketsphinx import PocketsphinxSettings
from providers.asr.vosk import VoskSettings
from providers.ports import Language
from providers.settings import between, setting
from providers.tts.espeak import EspeakSettings
from providers.tts.openai import OpenAiTtsSettings
from providers.tts.piper import PiperSettings
from providers.vad.energy import EnergySettings
from providers.vad.silero import SileroSettings

_PORT = between(0, 65535)


@frozen(kw_only=True)
class ServerSettings:
    """Where the server listens."""

    host: str = setting("0.0.0.0", "address to listen on; :: for IPv6")
    port: int = setting(8000, "WebSocket port; 0 picks a free one", **_PORT)
    http_port: int = setting(8003, "HTTP port of the OTA address; 0 picks a free one", **_PORT)
    public_url: str = setting(
        "",
        "WebSocket address that badges are told, such as wss://badge.example/xiaozhi/v1/; empty: made from the host "
        "name by which the badge reached the OTA address",
        check=lambda v: not v or v.startswith(("ws://", "wss://")),
        expected="empty or an address that begins with ws:// or wss://",
    )
    public_http_url: str = setting(
        "",
        "HTTP address from which badges fetch sounds, such as https://badge.example; empty: made from the host name by "
        "which the badge reached the WebSocket port, and http_port",
        check=lambda v: not v or v.startswith(("http://", "https://")),
        expected="empty or an address that begins with http:// or https://",
    )
    framing: int = setting(
        0,
        "binary framing that the OTA answer asks badges to use: 1, 2 or 3; 0 leaves it to the badge",
        check=lambda v: v in (0, 1, 2, 3),
        expected="0, 1, 2 or 3",
    )
    console: bool = setting(True, "read operator commands (help, status, quit) from the terminal")


@frozen(kw_only=True)
class TokenSettings:
    """One static bearer token."""

    name: str = setting("", "who it belongs to, for the log")
    token: str = setting("", "the token, or sha256: and its SHA-256 digest in hexadecimal", hidden=True)


@frozen(kw_only=True)
class AuthSettings:
    """Who may connect."""

    enabled: bool = setting(False, "refuse badges without a valid token (HTTP 401)")
    tokens: list[TokenSettings] = setting(
        [],
        'static bearer tokens, for example [{ name = "desk", token = "…" }]; the environment variable '
        "BADGE_AUTH_TOKENS (name=token,name=token) overrides them",
        hidden=True,
    )
    key: str = setting(
        "",
        "key of the signed tokens that the OTA answer hands out; empty: manager_secret, else a random one that dies "
        "with the process",
        hidden=True,
        env="BADGE_AUTH_KEY",
    )
    manager_secret: str = setting(
        "",
        "secret shared with the management console; text with 你 in it counts as a placeholder",
        hidden=True,
        env="BADGE_MANAGER_SECRET",
    )
    devices: list[str] = setting([], "device ids that need no token and that get signed tokens from the OTA address")
    bindings: dict[str, str] = setting({}, "device id = client id that it must come with")
    token_days: int = setting(30, "days for which a signed token is valid", **between(1, 3650))


@frozen(kw_only=True)
class ListenSettings:
    """How utterances are cut out of the stream of audio. Durations are of audio, not of the clock."""

    mode: ListenMode = setting("auto", "until the badge says otherwise: auto, manual or realtime")
    pre_roll_ms: int = setting(300, "audio kept from before speech was noticed", **between(0, 2000))
    silence_ms: int = setting(500, "silence that ends an utterance in auto and realtime", **between(100, 5000))
    manual_silence_ms: int = setting(
        4000, "silence that ends an utterance in manual, should the badge forget to", **between(500, 60000)
    )
    longest_s: float = setting(60.0, "longest utterance; it is cut here", **between(1, 600))
    unheard_s: float = setting(8.0, "listening in auto ends when nobody speaks for so long", **between(1, 600))
    vad_fallback_s: float = setting(
        10.0,
        "in manual, audio that comes so long after the last listen message is watched for speech by the server, for "
        "badges that never bound their utterances",
        **between(1, 600),
    )
    buffer_mb: float = setting(
        10.0, "audio kept of one utterance; beyond it the utterance is given up", **between(0.1, 100)
    )
    eager: bool = setting(
        True,
        "let the model begin on its answer when the user seems to have said all, before the silence that ends the "
        "utterance is over; nothing of it is heard unless he has",
    )
    eager_silence_ms: int = setting(
        200, "silence after which the user is assumed to have finished, for a draft of the answer", **between(60, 5000)
    )
    eager_steady_ms: int = setting(
        60, "audio for which the recognised words must not have changed by then", **between(0, 5000)
    )
    adaptive: bool = setting(
        False,
        "end utterances in auto and realtime after a silence that goes by how long the user pauses within sentences, "
        "instead of silence_ms, as soon as that is known",
    )
    adaptive_min_ms: int = setting(300, "with adaptive: never less silence than this", **between(100, 5000))
    adaptive_max_ms: int = setting(1000, "with adaptive: never more silence than this", **between(100, 5000))
    barge_in: Literal["realtime", "always", "never"] = setting(
        "realtime",
        "whose voice may interrupt the answer: badges in realtime mode (they cancel echo), always, or never; the abort "
        "message and new words always do",
    )


@frozen(kw_only=True)
class VadSettings:
    """Voice activity detection."""

    use: Literal["silero", "energy", "none"] = setting(
        "silero", "silero (a neural model), energy (loudness; clean input only), or none (only manual mode works)"
    )
    confirm_ms: int = setting(100, "speech that must come before an utterance begins", **between(0, 1000))
    barge_in_confirm_ms: int = setting(250, "the same while the badge speaks", **between(0, 2000))
    silero: SileroSettings = SileroSettings()
    energy: EnergySettings = EnergySettings()


@frozen(kw_only=True)
class AsrSettings:
    """Speech recognition."""

    use: Literal["auto", "vosk", "pocketsphinx", "openai", "funasr", "none"] = setting(
        "auto",
        "auto takes a Vosk model of the language when one is installed, else pocketsphinx (English only); openai and "
        "funasr send what is said to a server, and what auto takes steps in when that fails",
    )
    language: Language = setting("en", "language that users speak: en or zh")
    timeout_s: float = setting(3.0, "longest wait for the recogniser", **between(0.5, 60))
    attempts: int = setting(3, "tries on the same audio before the user is asked to say it again", **between(1, 5))
    vosk: VoskSettings = VoskSettings()
    pocketsphinx: PocketsphinxSettings = PocketsphinxSettings()
    openai: OpenAiAsrSettings = OpenAiAsrSettings()
    funasr: FunasrSettings = FunasrSettings()


@frozen(kw_only=True)
class TtsSettings:
    """Speech synthesis and how it is sent."""

    use: Literal["auto", "piper", "espeak", "openai", "none"] = setting(
        "auto",
        "auto takes Piper voices when some are installed, else espeak; openai sends the answers to a server, and what "
        "auto takes steps in when that fails; none answers in text only",
    )
    timeout_s: float = setting(5.0, "longest wait for the next piece of audio", **between(0.5, 60))
    frame_ms: int = setting(
        60, "length of an audio frame: 20, 40 or 60", check=lambda v: v in (20, 40, 60), expected="20, 40 or 60"
    )
    lead_frames: int = setting(
        5, "frames sent ahead of play-out; 0 for boards with a tiny buffer (ESP32-C3)", **between(0, 20)
    )
    start_gap_ms: int = setting(
        12,
        "least time between `tts start` and the first frame, in which the badge switches to speaking",
        **between(0, 500),
    )
    stop_margin_ms: int = setting(60, "time after the estimated end of play-out before `tts stop`", **between(0, 2000))
    first_clause: int = setting(
        8, "characters from which the first clause is spoken on its own; 0: only whole sentences", **between(0, 200)
    )
    first_clause_cjk: int = setting(4, "the same for Chinese", **between(0, 200))
    longest_sentence: int = setting(200, "characters after which a sentence is cut", **between(20, 1000))
    espeak: EspeakSettings = EspeakSettings()
    piper: PiperSettings = PiperSettings()
    openai: OpenAiTtsSettings = OpenAiTtsSettings()


@frozen(kw_only=True)
class ChatSettings:
    """The conversation."""

    prompt: str = setting(texts.PROMPT, "system prompt. Old name: prompt")
    history: int = setting(20, "exchanges that the model sees", **between(1, 200))
    first_token_s: float = setting(10.0, "longest wait for the model's first and for each next word", **between(1, 300))
    acknowledge_after_ms: int = setting(
        0,
        "play a short soft sound when so long after the end of speech nothing of the answer is ready yet; 0: never",
        **between(0, 60000),
    )
    new_words: Literal["interrupt", "wait"] = setting(
        "interrupt", "words that come while an answer is under way: interrupt it, or wait for its end"
    )
    intent: Literal["function_call", "intent_llm", "none"] = setting(
        "function_call",
        "function_call offers the tools there are to the model that answers; intent_llm has a model of its own decide on "
        "one tool beforehand, for models that cannot call tools; none: there are no tools, and none are loaded. Old name: "
        "selected_module.Intent",
    )
    tool_rounds: int = setting(
        5, "times that the model may call tools for one answer; then it has to answer without them", **between(1, 20)
    )
    tool_s: float = setting(30.0, "longest wait for the tools that are called at once", **between(0.5, 300))
    filler_ms: int = setting(
        1500,
        "when tools take so long and nothing was said yet, the user hears that it takes a moment; 0 leaves that out",
        **between(0, 60000),
    )


@frozen(kw_only=True)
class PhraseSettings:
    """Words with a fixed meaning. They are compared without punctuation, spaces and case."""

    wake: list[str] = setting(texts.WAKE_WORDS, "wake words. Old name: wakeup_words")
    exit: list[str] = setting(texts.EXIT_COMMANDS, "words that end the conversation. Old name: exit_commands")
    enable_greeting: bool = setting(True, "answer a wake word with a spoken greeting. Old name: enable_greeting")
    greeting: str = setting(texts.WAKE_GREETING, "what the model is told when only the wake word was said")


@frozen(kw_only=True)
class TimeoutSettings:
    """When a connection ends by itself."""

    no_voice_s: float = setting(
        600.0,
        "audio without speech for so long ends the conversation with a goodbye; 60 s later at the latest a silent "
        "connection is warned. Old name: close_connection_no_voice_time",
        **between(1, 86400),
    )
    grace_s: float = setting(10.0, "time between the warning and the end", **between(1, 600))
    stall_s: float = setting(10.0, "a badge that does not take a frame for so long is disconnected", **between(1, 120))
    takeover_s: float = setting(1.5, "time that a superseded connection has to finish", **between(0, 10))
    shutdown_s: float = setting(5.0, "time that sessions have to finish when the server stops", **between(0, 120))


@frozen(kw_only=True)
class LimitSettings:
    """Bounds against overload and abuse."""

    connections: int = setting(2000, "badges at one time", **between(1, 100000))
    message_bytes: int = setting(
        1048576, "largest message; a larger one closes the connection (1009)", **between(1024, 16777216)
    )


@frozen(kw_only=True)
class LogSettings:
    """Logging, to standard error."""

    level: Literal["debug", "info", "warning", "error"] = setting("info", "debug, info, warning or error")
    form: Literal["console", "json"] = setting("console", "console for people, json for machines")
    max_message_length: int = setting(
        2000, "longer texts keep their first and last half. Old name: log.max_message_length", **between(100, 100000)
    )


@frozen(kw_only=True)
class OtaSettings:
    """What badges are told when they ask where to connect."""

    firmware_version: str = setting(
        "",
        "newest firmware; empty: whatever the badge has is the newest",
        check=lambda v: re.fullmatch(r"(\d+(\.\d+)*)?", v) is not None,
        expected="numbers and points, such as 2.2.0: badges crash on anything else",
    )
    firmware_url: str = setting("", "where to load it from")


@frozen(kw_only=True)
class RecordingSettings:
    """Sessions written to files, from which `python -m badge replay` repeats them exactly."""

    use: Literal["off", "all", "some"] = setting(
        "off", "off, all, or some: the devices listed, and a share of all sessions"
    )
    devices: list[str] = setting([], "with some: ids of devices whose every session is recorded")
    share: float = setting(
        0.0, "with some: share of the sessions of all other devices, 0.01 is one in a hundred", **between(0, 1)
    )
    folder: str = setting("recordings", "where the files go; made when it does not exist")
    audio: Literal["keep", "hash"] = setting(
        "keep", "keep what was heard and spoken, or only its hash: such a recording replays in silence"
    )
    text: Literal["keep", "redact"] = setting(
        "keep", "keep the words, or only their shape: letters become x, punctuation stays"
    )
    file_mb: float = setting(64.0, "a recording that gets larger ends there", **between(0.1, 10000))
    folder_mb: float = setting(2000.0, "when all files together get larger, the oldest go", **between(1, 10000000))
    days: float = setting(14.0, "older files go", **between(0.01, 3650))


@frozen(kw_only=True)
class ModelSettings:
    """Where models are found."""

    folder: str = setting("", "folder with vosk/ and piper/ inside; empty: the user's cache folder", env="BADGE_MODELS")


@frozen(kw_only=True)
class StatsSettings:
    """The news about who is online."""

    broadcast: bool = setting(True, "send server/stats to every badge. Old name: server.stats_broadcast")
    every_s: float = setting(10.0, "time between two broadcasts", **between(1, 3600))


@frozen(kw_only=True)
class Settings:
    """Everything that config.toml can say."""

    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    devices: DevicesSettings = DevicesSettings()
    listen: ListenSettings = ListenSettings()
    vad: VadSettings = VadSettings()
    asr: AsrSettings = AsrSettings()
    llm: dict[str, LlmSettings] = setting({"default": LlmSettings()}, "")
    llm_by_purpose: PurposeSettings = PurposeSettings()
    llm_breaker: BreakerSettings = BreakerSettings()
    tts: TtsSettings = TtsSettings()
    chat: ChatSettings = ChatSettings()
    phrases: PhraseSettings = PhraseSettings()
    memory: MemorySettings = MemorySettings()
    meeting: MeetingSettings = MeetingSettings()
    coding: CodingSettings = CodingSettings()
    workflow: WorkflowSettings = WorkflowSettings()
    peer: PeerSettings = PeerSettings()
    reminders: ReminderSettings = ReminderSettings()
    mcp: dict[str, McpSettings] = setting({}, MCP_DOC)
    tools: ToolSettings = ToolSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    limits: LimitSettings = LimitSettings()
    store: StoreSettings = StoreSettings()
    stats: StatsSettings = StatsSettings()
    welcome: dict[str, Any] = setting(
        {}, "further fields of the welcome message, beside type, transport, version, session_id and audio_params"
    )
    ota: OtaSettings = OtaSettings()
    models: ModelSettings = ModelSettings()
    recording: RecordingSettings = RecordingSettings()
    log: LogSettings = LogSettings()


def inconsistencies(settings: Settings) -> list[tuple[str, object, str]]:
    """What no single field can see: (key, value, what would be right)."""
    found = wrong_models(settings.llm, settings.llm_by_purpose)
    if settings.asr.use == "funasr" and not settings.asr.funasr.url:
        found.append(("asr.funasr.url", "", "must be the address of the server when asr.use is funasr"))
    found.extend(_wrong_groups(settings.workflow.groups))
    found.extend(wrong_servers(settings.mcp, call_s=settings.tools.call_s))
    found.extend(wrong_tools(settings.tools))
    if settings.tools.call_s > settings.chat.tool_s:
        found.append(
            ("tools.call_s", settings.tools.call_s, "must not be above chat.tool_s, which ends all calls of a round")
        )
    found.extend(wrong_devices(settings.devices))
    if settings.vad.silero.threshold_low > settings.vad.silero.threshold:
        found.append(
            ("vad.silero.threshold_low", settings.vad.silero.threshold_low, "must not be above vad.silero.threshold")
        )
    if settings.listen.adaptive_min_ms > settings.listen.adaptive_max_ms:
        found.append(
            ("listen.adaptive_min_ms", settings.listen.adaptive_min_ms, "must not be above listen.adaptive_max_ms")
        )
    for index, entry in enumerate(settings.auth.tokens):
        if not entry.token:
            found.append((f"auth.tokens[{index}].token", "", "must not be empty"))
    found.extend(
        ("auth.devices", device, "must be a device id") for device in settings.auth.devices if not normalise(device)
    )
    found.extend(
        ("recording.devices", device, "must be a device id")
        for device in settings.recording.devices
        if not normalise(device)
    )
    if settings.auth.enabled and not (settings.auth.tokens or settings.auth.devices or settings.auth.key):
        found.append(
            ("auth.enabled", True, "needs auth.tokens, auth.devices or auth.key; as it is nobody could connect")
        )
    return found


def _wrong_groups(groups: dict[str, list[str]]) -> list[tuple[str, object, str]]:
    """Devices without an id, and those that are in two groups."""
    found: list[tuple[str, object, str]] = []
    home: dict[str, str] = {}
    for group, devices in groups.items():
        for device in devices:
            known = normalise(device)
            if not known:
                found.append((f"workflow.groups.{group}", device, "must be device ids"))
            elif home.setdefault(known, group) != group:
                found.append((f"workflow.groups.{group}", device, f"must not be in the group {home[known]} as well"))
    return found

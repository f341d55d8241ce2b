"""What a recording consists of: records, one for each thing that crossed a seam of the session."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from attrs import field, frozen


class Kind(StrEnum):
    """What happened, and what the record's `data` holds.

    Inputs are what the world did to the session, outputs what the session did; answers are what the world told at once,
    in the same step in which it was asked.
    """

    BEGIN = "begin"
    """the header, a mapping: always the first record"""
    END = "end"
    """reason; always the last record of a recording that is whole"""

    # --- the connection
    IN = "in"
    """input: one whole message of the badge, text or bytes"""
    LOST = "lost"
    """input: close code; the connection is gone, said `receive`"""
    OUT = "out"
    """output: one whole message to the badge, text or bytes; written when its writing begins"""
    SENT = "sent"
    """input: the last OUT took a while, and has left now"""
    UNSENT = "unsent"
    """input: close code; the connection is gone, said the last OUT"""
    CUT = "cut"
    """output: the last OUT was given up while it was being written"""
    PING = "ping"
    """output: a protocol ping"""
    PONG = "pong"
    """input: its answer"""
    UNPONGED = "unponged"
    """input: close code; the connection is gone, said the ping"""
    CLOSE = "close"
    """output: close code, reason"""

    # --- other sessions and the server
    ENTER = "enter"
    """answer: list of [user, assistant] that the dialogue begins with, or None, and the reason why there is no room, or
    empty"""
    INHERIT = "inherit"
    """answer: the mode that the connection before was in; noted when it was in one"""
    NOW = "now"
    """answer: the time of day, ISO 8601"""
    POST = "post"
    """input: text frame, whether it is stale news, and whether it matters if it arrives: somebody else has put a message
    in the mailbox"""
    ANNOUNCE = "announce"
    """input: kind, text, packets of Opus: somebody else wants to have something said"""
    RETIRE = "retire"
    """input: name of the goodbye: somebody else wants the session to end"""
    RENEW = "renew"
    """input: the terms on which the badge is served may have changed"""
    CANCEL = "cancel"
    """input: the session is cancelled from outside"""

    DESK_ASK = "desk.ask"
    """output: number, what is asked for, such as `tasks.claim`, arguments"""
    DESK_ANSWER = "desk.answer"
    """input: number, the answer as a plain value"""
    DESK_ERROR = "desk.error"
    """input: number, error: what was asked for was refused, or failed"""
    DESK_TELL = "desk.tell"
    """output: what somebody is told, such as `meetings.add`, arguments"""

    # --- machines
    STATE = "state"
    """output: machine, event, state before, state after"""

    # --- providers; the first datum is the number of the stream among those of its kind
    COMPONENT = "component"
    """input: kind of component, mapping of what is known about it: it has become ready, or cannot"""
    VAD = "vad"
    """answer: stream, audio that was fed, verdicts as a string of 0 and 1, or None when it failed"""
    ASR_OPEN = "asr.open"
    """output: stream"""
    ASR_PARTIAL = "asr.partial"
    """input: stream, bytes of audio fed so far, text so far"""
    ASR_FINISH = "asr.finish"
    """output: stream, bytes of audio, CRC-32 of it: there is no more"""
    ASR_FINAL = "asr.final"
    """input: stream, text"""
    ASR_ERROR = "asr.error"
    """input: stream, error, bytes of audio fed so far, or None when it failed after the end of the audio"""
    ASR_LEAVE = "asr.leave"
    """output: stream"""
    LLM_OPEN = "llm.open"
    """output: stream, component, number of messages that were in the prompt before, further messages as [role, text]"""
    LLM_TOKEN = "llm.token"
    """input: stream, text or mapping of a piece of a tool call"""
    LLM_END = "llm.end"
    """input: stream: there is no more"""
    LLM_ERROR = "llm.error"
    """input: stream, error: the provider has failed"""
    LLM_LEAVE = "llm.leave"
    """output: stream"""
    TTS_OPEN = "tts.open"
    """output: stream, text"""
    TTS_CHUNK = "tts.chunk"
    """input: stream, audio"""
    TTS_END = "tts.end"
    """input: stream: there is no more"""
    TTS_ERROR = "tts.error"
    """input: stream, error: the provider has failed"""
    TTS_LEAVE = "tts.leave"
    """output: stream"""
    RECALL_ASK = "recall.ask"
    """output: number, text"""
    RECALL_ANSWER = "recall.answer"
    """input: number, text"""
    RECALL_ERROR = "recall.error"
    """input: number, error"""


OUTPUTS = frozenset(
    {
        Kind.OUT,
        Kind.PING,
        Kind.CLOSE,
        Kind.STATE,
        Kind.ASR_OPEN,
        Kind.ASR_FINISH,
        Kind.ASR_LEAVE,
        Kind.LLM_OPEN,
        Kind.LLM_LEAVE,
        Kind.TTS_OPEN,
        Kind.TTS_LEAVE,
        Kind.RECALL_ASK,
        Kind.DESK_ASK,
        Kind.DESK_TELL,
    }
)
"""What the session does; a replay has to do the same. CUT is not among them: it follows from the wire's slowness."""

INPUTS = frozenset(
    {
        Kind.IN,
        Kind.LOST,
        Kind.SENT,
        Kind.UNSENT,
        Kind.PONG,
        Kind.UNPONGED,
        Kind.POST,
        Kind.ANNOUNCE,
        Kind.RETIRE,
        Kind.RENEW,
        Kind.CANCEL,
        Kind.COMPONENT,
        Kind.DESK_ANSWER,
        Kind.DESK_ERROR,
        Kind.ASR_PARTIAL,
        Kind.ASR_FINAL,
        Kind.ASR_ERROR,
        Kind.LLM_TOKEN,
        Kind.LLM_END,
        Kind.LLM_ERROR,
        Kind.TTS_CHUNK,
        Kind.TTS_END,
        Kind.TTS_ERROR,
        Kind.ASR_LEAVE,
        Kind.LLM_LEAVE,
        Kind.TTS_LEAVE,
        Kind.RECALL_ANSWER,
        Kind.RECALL_ERROR,
    }
)
"""What is done to the session; a replay does it again. That a stream is left is in both: the session wants to leave it,
and the provider lets go of it."""


@frozen
class Record:
    """One thing that happened, `at` µs after the session began and `after` passes of the scheduler later than the one
    before: what lies few passes apart could not see the effects of each other."""

    at: int
    after: int
    kind: Kind
    data: tuple[Any, ...] = field(repr=False)


_FRAME = (str, bytes)
_NUMBER = (int,)
_TEXT = (str,)
_MAYBE_TEXT = (str, type(None))

SHAPES: dict[Kind, tuple[tuple[type, ...], ...]] = {
    Kind.BEGIN: ((dict,),),
    Kind.END: (_TEXT,),
    Kind.IN: (_FRAME,),
    Kind.LOST: (_NUMBER,),
    Kind.OUT: (_FRAME,),
    Kind.SENT: (),
    Kind.UNSENT: (_NUMBER,),
    Kind.CUT: (),
    Kind.PING: (),
    Kind.PONG: (),
    Kind.UNPONGED: (_NUMBER,),
    Kind.CLOSE: (_NUMBER, _TEXT),
    Kind.ENTER: ((list, type(None)), _TEXT),
    Kind.INHERIT: (_TEXT,),
    Kind.NOW: (_TEXT,),
    Kind.POST: (_TEXT, (bool,)),
    Kind.ANNOUNCE: (_TEXT, _TEXT, (list,)),
    Kind.RETIRE: (_TEXT,),
    Kind.RENEW: (),
    Kind.CANCEL: (),
    Kind.DESK_ASK: (_NUMBER, _TEXT, (list,)),
    Kind.DESK_ANSWER: (_NUMBER, (object,)),
    Kind.DESK_ERROR: (_NUMBER, (dict,)),
    Kind.DESK_TELL: (_TEXT, (list,)),
    Kind.STATE: (_TEXT, _TEXT, _TEXT, _TEXT),
    Kind.COMPONENT: (_TEXT, (dict,)),
    Kind.VAD: (_NUMBER, _NUMBER, _MAYBE_TEXT),
    Kind.ASR_OPEN: (_NUMBER,),
    Kind.ASR_PARTIAL: (_NUMBER, _NUMBER, _TEXT),
    Kind.ASR_FINISH: (_NUMBER, _NUMBER, _NUMBER),
    Kind.ASR_FINAL: (_NUMBER, _TEXT),
    Kind.ASR_ERROR: (_NUMBER, (dict,), (int, type(None))),
    Kind.ASR_LEAVE: (_NUMBER,),
    Kind.LLM_OPEN: (_NUMBER, _TEXT, _NUMBER, (list,)),
    Kind.LLM_TOKEN: (_NUMBER, (str, dict)),
    Kind.LLM_END: (_NUMBER,),
    Kind.LLM_ERROR: (_NUMBER, (dict,)),
    Kind.LLM_LEAVE: (_NUMBER,),
    Kind.TTS_OPEN: (_NUMBER, _TEXT),
    Kind.TTS_CHUNK: (_NUMBER, (bytes,)),
    Kind.TTS_END: (_NUMBER,),
    Kind.TTS_ERROR: (_NUMBER, (dict,)),
    Kind.TTS_LEAVE: (_NUMBER,),
    Kind.RECALL_ASK: (_NUMBER, _TEXT),
    Kind.RECALL_ANSWER: (_NUMBER, _TEXT),
    Kind.RECALL_ERROR: (_NUMBER, (dict,)),
}
"""The types of each kind's data."""

HASHED = frozenset({Kind.IN, Kind.OUT, Kind.TTS_CHUNK})
"""Records whose data may end with the hash of the sound that was taken out."""

OPTIONAL: dict[Kind, tuple[type, ...]] = {Kind.POST: (bool,)}
"""The types of a last datum that may be missing, as it is in older recordings."""


def fits(kind: Kind, data: tuple[Any, ...]) -> bool:
    """Whether this can be the data of such a record."""
    shape = SHAPES[kind]
    if kind in HASHED and len(data) == len(shape) + 1 and isinstance(data[-1], bytes):
        data = data[:-1]
    if kind in OPTIONAL and len(data) == len(shape) + 1:
        shape = (*shape, OPTIONAL[kind])
    return len(data) == len(shape) and all(isinstance(item, types) for item, types in zip(data, shape, strict=True))

"""Text frames: strict in, compact out, and nothing that a badge sends raises anything but its own error."""

from __future__ import annotations

import json
from contextlib import suppress

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from badge.session.handlers import HANDLERS
from protocol import (
    FROM_BADGE,
    TO_BADGE,
    Echo,
    ErrorCode,
    Phase,
    RemoteProtocolError,
    Unknown,
    decode_text,
    encode_text,
    require_legal,
)
from protocol.inbound import Abort, Features, Hello, Listen, Ping
from protocol.outbound import Pong, Stt, Tts, Welcome
from protocol.registry import wire_name
from protocol.vocabulary import AudioParams


def refused(text: str) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as info:
        decode_text(text)
    return info.value


@pytest.mark.req("RT-3")
@pytest.mark.parametrize("text", ["7", "-5", "0", "123456789"])
def test_integers_are_echoed(text: str) -> None:
    assert decode_text(text) == Echo(text)


@pytest.mark.req("RT-5", "B-20")
def test_short_text_that_is_no_json_is_echoed_and_long_text_is_not() -> None:
    assert decode_text("hello there") == Echo("hello there")
    assert decode_text("{broken") == Echo("{broken")
    assert decode_text("x" * 1024) == Echo("x" * 1024)
    assert decode_text("中" * 341) == Echo("中" * 341)
    assert refused("x" * 1025).code is ErrorCode.BAD_MESSAGE
    assert refused("中" * 342).code is ErrorCode.BAD_MESSAGE
    assert refused("x" * 1_048_576).code is ErrorCode.BAD_MESSAGE


@pytest.mark.req("RT-4", "RT-7", "B-18", "B-19", "B-21", "B-123")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("true", "JSON object"),
        ("false", "JSON object"),
        ("[]", "JSON object"),
        ('"x"', "JSON object"),
        ("null", "JSON object"),
        ("1.5", "JSON object"),
        ("{}", "type: must be a string"),
        ('{"type":5}', "type: must be a string"),
        ('{"type":"listen"}', "state: is missing"),
        ('{"type":"listen","state":"begin"}', 'must be one of "start", "stop", "detect"'),
        ('{"type":"listen","state":"start","mode":{"a":1}}', 'must be one of "auto", "manual", "realtime"'),
        ('{"type":"listen","state":"start","mode":"loud"}', "mode"),
        ('{"type":"listen","state":"detect","text":5}', "text: must be a string"),
        ('{"type":"listen","state":"detect","text":"\\ud800"}', "text: must be a string"),
        ('{"type":"mcp"}', "payload: is missing"),
        ('{"type":"mcp","payload":[]}', "payload: must be an object"),
        ('{"type":"hello","features":[]}', "features: must be an object"),
        ('{"type":"hello","features":{"mcp":"yes"}}', "features.mcp: must be true or false"),
        ('{"type":"iot","descriptors":"abc"}', "descriptors: must be a list"),
        ("9" * 5000, "5000 digits"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_malformed_messages_are_refused_with_the_reason(text: str, says: str) -> None:
    exc = refused(text)
    assert exc.code is ErrorCode.BAD_MESSAGE
    assert says in exc.detail


@pytest.mark.req("RT-6")
def test_unknown_types_are_known_as_unknown() -> None:
    assert decode_text('{"type":"dance","x":1}') == Unknown("dance", {"type": "dance", "x": 1})


def test_types_with_a_prescribed_refusal_say_it() -> None:
    peer = {"type": "peer", "status": "error", "message": "invalid to/payload"}
    assert refused('{"type":"peer","to":"x"}').reply == peer
    mode = {"type": "mode", "status": "error", "message": "invalid state or mode"}
    assert refused('{"type":"mode","state":"start","mode":"party"}').reply == mode


@pytest.mark.req("WL-4")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"ping"}', Ping()),
        ('{"type":"keepalive","x":1}', Ping()),
        ('{"type":"abort","reason":"wake_word_detected","session_id":"x"}', Abort(reason="wake_word_detected")),
        ('{"type":"listen","state":"stop","session_id":""}', Listen(state="stop")),
        ('{"type":"hello"}', Hello()),
        ('{"type":"hello","audioParams":{"sampleRate":16000}}', Hello()),
        ('{"type":"hello","features":{"mcp":true,"new":1}}', Hello(features=Features(mcp=True))),
        (
            '{"type":"hello","version":1,"transport":"websocket","audio_params":{"format":"opus","sample_rate":16000}}',
            Hello(audio_params=AudioParams(format="opus", sample_rate=16000)),
        ),
    ],
)
def test_real_messages(text: str, message: object) -> None:
    assert decode_text(text) == message


@given(
    st.one_of(
        st.text(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["type", "state", "mode", "text", "payload", "to", "features"]), inner
                )
            ),
        ).map(json.dumps),
        st.fixed_dictionaries(
            {"type": st.sampled_from(sorted(FROM_BADGE))},
            optional={
                name: st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
                for name in (
                    "state",
                    "mode",
                    "text",
                    "payload",
                    "to",
                    "features",
                    "audio_params",
                    "content",
                    "ids",
                    "id",
                )
            },
        ).map(json.dumps),
    )
)
def test_no_text_raises_anything_but_the_protocols_own_error(text: str) -> None:
    with suppress(RemoteProtocolError):
        decode_text(text)


def test_outbound_messages_leave_out_what_is_not_there() -> None:
    assert encode_text(Tts(state="start", session_id="s")) == '{"type":"tts","state":"start","session_id":"s"}'
    assert encode_text(Stt(text="你好", session_id="s")) == '{"type":"stt","text":"你好","session_id":"s"}'
    assert encode_text(Pong()) == '{"type":"pong"}'


@pytest.mark.req("WL-1", "WL-2")
def test_welcome_has_what_firmware_needs() -> None:
    params = AudioParams(format="opus", sample_rate=24000, channels=1, frame_duration=60)
    assert json.loads(encode_text(Welcome(session_id="s", audio_params=params))) == {
        "type": "hello",
        "version": 1,
        "transport": "websocket",
        "session_id": "s",
        "audio_params": {"format": "opus", "sample_rate": 24000, "channels": 1, "frame_duration": 60},
    }


@pytest.mark.req("RT-13")
def test_every_inbound_type_has_exactly_one_handler() -> None:
    assert set(HANDLERS) == set(FROM_BADGE.values())


def test_every_message_is_frozen_and_knows_its_name() -> None:
    for cls in [*FROM_BADGE.values(), *(cls for classes in TO_BADGE.values() for cls in classes)]:
        assert attrs.has(cls)
        assert wire_name(cls)
        with pytest.raises(AttributeError):
            cls.__setattr__(object.__new__(cls), attrs.fields(cls)[0].name if attrs.fields(cls) else "x", 1)


@pytest.mark.req("RG-6", "B-14")
def test_a_superseded_connection_may_only_finish() -> None:
    for message in (Abort(), Ping(), Listen(state="stop"), Hello()):
        require_legal(Phase.SUPERSEDED, message)
    for text in (
        '{"type":"listen","state":"start"}',
        '{"type":"listen","state":"detect","text":"hi"}',
        '{"type":"mode","state":"start","mode":"working"}',
        '{"type":"peer","to":["x"]}',
        '{"type":"workflow","event":"assign"}',
    ):
        message = decode_text(text)
        require_legal(Phase.OPEN, message)
        with pytest.raises(RemoteProtocolError) as info:
            require_legal(Phase.SUPERSEDED, message)
        assert info.value.code is ErrorCode.SUPERSEDED

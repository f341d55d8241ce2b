"""What stays of words in a recording that is to be shared: their shape, and where sentences end."""

from __future__ import annotations

import datetime
import json
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from badge.config.settings import Settings
from badge.modes.insight import extracted, insight_of
from badge.orders import AddTask, order
from badge.phrases import ANNOUNCEMENT
from badge.recording.privacy import Masking, Refinement
from badge.recording.recorder import session_settings
from badge.recording.records import Kind
from badge.recording.shape import shape
from providers.language import IDEOGRAPH
from providers.sentences import ABBREVIATIONS, SentenceSplitter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Call Maria at 0171 555-23, please!", "Xxxx Xxxxx xx 0000 000-00, xxxxxx!"),
        ("我叫小明。你呢？", "某某某某。某某？"),
        ("Dr. Who, e.g. at 5 p.m. on Jan. 3rd", "Dr. Xxx, x.x. xx 0 p.m. xx Jan. 0xx"),
        ("It is I, a J. Smith.", "Xx xx I, a X. Xxxxx."),
        ("s e c r e t", "x x x x x x"),
        ("Größe façade Мир ١٢ 😀 ½", "XxЖЖx xxжxxx Жжж ٠٠ 😀 ٠"),
        ("", ""),
    ],
)
def test_words_keep_their_shape(text: str, expected: str) -> None:
    expected = expected.replace("XxЖЖx", "Xxжжx")
    assert shape(text) == expected


@given(st.text(max_size=60))
def test_a_shape_is_as_long_has_the_same_marks_and_is_its_own_shape(text: str) -> None:
    masked = shape(text)
    assert len(masked) == len(text)
    assert shape(masked) == masked
    assert all(then == now for then, now in zip(text, masked, strict=True) if not is_letter(then))


def is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" or IDEOGRAPH.match(character) is not None


VOCABULARY = st.sampled_from(
    [
        "Dr.",
        "Jan.",
        "I",
        "a",
        "p.m.",
        "secret",
        "Otto,",
        "你好",
        "。",
        "3.5",
        "etc.",
        "Yes!",
        "J.",
        "U.S.",
        "x",
        "😀",
        "no.",
    ]
)


@given(st.lists(VOCABULARY, max_size=12), st.integers(0, 12))
def test_a_piece_of_a_shape_is_the_shape_of_the_piece(words: list[str], at: int) -> None:
    """As long as no word is cut in two."""
    before, after = " ".join(words[:at]), " ".join(words[at:])
    assert shape(before + " " + after) == shape(before) + " " + shape(after)


@given(st.lists(VOCABULARY, max_size=20))
@example(
    ["Meet", "J.", "Smith", "at", "5", "p.m.", "He", "is", "a", "Dr.", "I", "think.", "So", "it", "is", "I.", "Go"]
)
def test_sentences_end_where_they_did(words: list[str]) -> None:
    text = " ".join(words)
    first, second = SentenceSplitter(), SentenceSplitter()
    pieces = [*first.feed(text), *first.flush()]
    assert [shape(piece) for piece in pieces] == [*second.feed(shape(text)), *second.flush()]


def test_no_abbreviation_is_hidden() -> None:
    """Whether a sentence ends depends on them."""
    assert all(shape(word) == word for word in ABBREVIATIONS)


# --- messages ---------------------------------------------------------------------------------------------------------------

MASKING = Masking(frozenset({"你好小智", "goodbye"}))


@pytest.mark.parametrize(
    ("kind", "frame", "expected"),
    [
        (
            Kind.IN,
            '{"type": "listen", "state": "detect", "mode": "auto", "text": "Hello Otto"}',
            '{"type":"listen","state":"detect","mode":"auto","text":"Xxxxx Xxxx"}',
        ),
        (Kind.IN, '{"type":"listen","state":"detect","text":"Goodbye!"}', None),
        (Kind.OUT, '{"type":"stt","text":"你好，小智"}', None),
        (
            Kind.OUT,
            '{"type":"tts","state":"sentence_start","text":"Goodbye!"}',
            '{"type":"tts","state":"sentence_start","text":"Xxxxxxx!"}',
        ),
        (
            Kind.IN,
            '{"type":"hello","version":1,"audio_params":{"format":"opus","sample_rate":16000},"serial":4711}',
            '{"type":"hello","version":1,"audio_params":{"format":"opus","sample_rate":16000},"serial":0}',
        ),
        (Kind.POST, '{"type":"server","online":["ba:d6:e0:a1"]}', '{"type":"server","online":["xx:x0:x0:x0"]}'),
        (Kind.IN, '{"type":"x","Otto\'s key":true,"n":null}', '{"type":"x","Xxxx\'x xxx":true,"n":null}'),
        (Kind.IN, '{"type":"listen","state":"my secret words"}', '{"type":"listen","state":"xx xxxxxx xxxxx"}'),
        (Kind.IN, "hello Otto", "xxxxx Xxxx"),
        (Kind.IN, "[" * 100_000, "[" * 100_000),
    ],
)
def test_messages_stay_messages(kind: Kind, frame: str, expected: str | None) -> None:
    assert MASKING.frame(kind, frame) == (frame if expected is None else expected)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["type", "state", "text", "id", "Otto"]), JSON))
def test_every_message_can_be_read_and_is_its_own_shape(message: dict[str, Any]) -> None:
    masked = MASKING.frame(Kind.IN, json.dumps(message))
    assert json.loads(masked).keys() == message.keys()
    assert MASKING.frame(Kind.IN, masked) == masked


def test_phrases_and_announcements_are_known_again() -> None:
    assert MASKING.words("Good-bye!") == "Good-bye!"
    assert MASKING.words("goodbye Otto") == "xxxxxxx Xxxx"
    assert MASKING.words(f"{ANNOUNCEMENT}Dinner is ready.") == f"{ANNOUNCEMENT}Xxxxxx xx xxxxx."


NOON = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "words",
    [
        *(
            "Start the meeting!",
            "don't start the meeting",
            "进入会议",
            "请退出工作模式",
            "claim task",
            "完成任务",
            "please refresh",
        ),
        *("set a timer for ten minutes", "what are my tasks", "取消所有提醒", "my task is due on Friday", "add a task"),
        *("wake me up at seven", "十分钟后提醒我", "please goodbye"),
    ],
)
def test_what_decides_on_the_course_stays(words: str) -> None:
    assert MASKING.words(words) == words


@pytest.mark.parametrize(
    ("words", "masked"),
    [
        ("Remind me in ten minutes to call Otto.", "Remind me in ten minutes to xxxx Xxxx."),
        ("remind me to remind me at 8 to eat", "remind me to xxxxxx xx xx 0 xx xxx"),
        ("remind me to eat", "remind me to xxx"),
        ("十分钟后提醒我吃饭", "十分钟后提醒我某某"),
        ("十分钟 后 提醒 我 吃 饭", "十分钟 后 提醒 我 某 某"),
        ("add a task to visit Anna on Friday", "add a task to xxxxx Xxxx on Friday"),
        ("put milk on my list of tasks", "put xxxx on my list of tasks"),
        ("rename my task to my task", "rename my task to xx xxxx"),
        ("添加任务买牛奶明天", "添加任务某某某明天"),
        ("remind me of your name", "xxxxxx xx xx xxxx xxxx"),
    ],
)
def test_an_order_stays_of_its_kind_and_its_time_and_tells_nothing_else(words: str, masked: str) -> None:
    assert MASKING.words(words) == masked
    assert MASKING.words(masked) == masked
    then, now = order(words, NOON), order(masked, NOON)
    assert type(then) is type(now)
    assert getattr(then, "due", None) == getattr(now, "due", None)


def test_an_order_that_is_too_long_to_be_taken_whole_is_masked_whole() -> None:
    """What was cut off is in no field of it."""
    words = "add a task " + "secret " * 35
    assert isinstance(order(words, NOON), AddTask)
    assert "secret" not in MASKING.words(words)


ANNA = Masking(frozenset(), "anna-1")


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (Kind.DESK_ANSWER, (1, {"founder-1": "queued", "otto": "sent"}), (1, {"xxxxxxx-0": "queued", "xxxx": "sent"})),
        (Kind.DESK_ANSWER, (1, {"otto": "Otto"}), (1, {"xxxx": "Xxxx"})),
        (Kind.DESK_ANSWER, (1, 3), (1, 3)),
        (
            Kind.DESK_ANSWER,
            (1, [{"id": "t1", "owner": "anna-1", "due": "2026-11-27"}, {"id": "t2", "owner": "otto-2", "due": "soon"}]),
            (1, [{"id": "x0", "owner": "xxxx-0", "due": "2026-11-27"}, {"id": "x0", "owner": "somebody", "due": "xxxx"}]),
        ),
        (Kind.DESK_ANSWER, (1, {"id": "r1", "text": "refresh", "due": 1795298462911}), None),
        (Kind.DESK_ASK, (1, "meetings.add", ["anna-1", "refresh", 17]), (1, "meetings.add", ["xxxx-0", "xxxxxxx", 0])),
        (Kind.DESK_TELL, ("tasks.show", ["anna-1"]), ("tasks.show", ["xxxx-0"])),
        (Kind.DESK_ERROR, (1, {"code": "too-many", "message": "Otto"}), (1, {"code": "too-many", "message": "Xxxx"})),
        (Kind.ANNOUNCE, ("letter", "From Otto", [b"x"]), ("letter", "Xxxx Xxxx", [b"x"])),
    ],
)  # fmt: skip
def test_what_the_desk_says_tells_what_is_ones_own_from_what_is_anothers(
    kind: Kind, data: tuple[Any, ...], expected: tuple[Any, ...] | None
) -> None:
    if expected is None:
        expected = (1, {"id": "x0", "text": "xxxxxxx", "due": 1795298462911})
    masked = ANNA.data(kind, data)
    assert masked == expected
    assert Masking(frozenset(), "xxxx-0").data(kind, masked) == masked


@pytest.mark.parametrize(
    "line",
    [
        "Otto: 12 errors, 0 failures",
        "no errors at all",
        "Traceback (most recent call last)",
        "5 errors",
        "编译失败了",
        "ok",
    ],
)
def test_a_log_tells_of_as_much_trouble(line: str) -> None:
    frame = ANNA.frame(Kind.IN, json.dumps({"type": "coding", "phase": "log", "line": line}))
    masked = json.loads(frame)["line"]
    assert "Otto" not in masked
    assert bool(extracted([masked]).risks) == bool(extracted([line]).risks)
    assert len(masked) == len(line)


def test_the_insights_of_a_model_can_still_be_read() -> None:
    answer = json.dumps({"insights": ["Otto said:\n“é”"], "risks": [], "next_steps": ["risks"]})
    tokens = [(n, 1, Kind.LLM_TOKEN, 1, answer[at : at + 3]) for n, at in enumerate(range(0, len(answer), 3))]
    refine = Refinement({"settings": session_settings(Settings())}, audio="keep", text="redact")
    done = refine([*tokens, (99, 1, Kind.LLM_END, 1)])
    masked = "".join(record[4] for record in done if record[2] is Kind.LLM_TOKEN)
    assert "Otto" not in masked
    insight = insight_of(masked)
    assert insight is not None
    assert (len(insight.insights), len(insight.risks), len(insight.next_steps)) == (1, 0, 1)


@given(
    st.lists(st.sampled_from(["see", " you", ",", " Dr", ". ", "X", "你", "。", "a", ".m", ". "]), max_size=12),
    st.data(),
)
def test_how_an_answer_was_cut_into_tokens_and_batches_makes_no_difference(
    tokens: list[str], data: st.DataObject
) -> None:
    """A word that comes in two pieces is masked as one."""
    header = {"settings": session_settings(Settings())}
    records = [(n, 1, Kind.LLM_TOKEN, 1, token) for n, token in enumerate(tokens)]
    records += [(99, 1, Kind.LLM_END, 1), (99, 1, Kind.END, "over")]
    cut = data.draw(st.integers(0, len(records)))
    refine = Refinement(header, audio="keep", text="redact")
    done = [*refine(records[:cut]), *refine(records[cut:])]
    assert [(r[0], r[2]) for r in done] == [(r[0], r[2]) for r in records]
    assert "".join(r[4] for r in done if r[2] is Kind.LLM_TOKEN) == shape("".join(tokens))
    assert [len(r[4]) for r in done[: len(tokens)]] == [len(token) for token in tokens]


def test_hostile_text_costs_little_and_ends_nothing() -> None:
    masking = Masking(frozenset())
    for frame in ("[" * 700 + "]" * 700, "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900):
        assert "1" not in masking.frame(Kind.IN, frame)
    long = '{"id":"' + "1" * 300_000 + ' "}'
    assert masking.frame(Kind.IN, long).count("0") == 300_000


def test_marks_and_numbers_of_other_scripts_go() -> None:
    text = "नमस्ते สวัสดี ½ ①"
    assert not set(shape(text)) & set(text.replace(" ", ""))
    assert shape("❤️ 👍🏽 1️⃣") == "❤️ 👍🏽 0️⃣"


@pytest.mark.req("MC-1", "IO-1")
def test_what_a_badge_can_do_stays_and_what_it_says_does_not() -> None:
    result = {"content": [{"type": "text", "text": '{"action": "RESPONSE", "response": "Otto is here", "level": 70}'}]}
    message = {"type": "mcp", "payload": {"jsonrpc": "2.0", "id": 7, "result": result}}
    masked = json.loads(MASKING.frame(Kind.IN, json.dumps(message)))
    assert (masked["type"], masked["payload"]["id"]) == ("mcp", 7)
    (part,) = masked["payload"]["result"]["content"]
    assert json.loads(part["text"]) == {"action": "RESPONSE", "response": "Xxxx xx xxxx", "level": 70}
    tool = {"name": "self.audio_speaker.set_volume", "description": "Ask Otto", "inputSchema": {"type": "object"}}
    listed = {"type": "mcp", "payload": {"id": 2, "result": {"tools": [tool], "nextCursor": "self.b"}}}
    (kept,) = json.loads(MASKING.frame(Kind.IN, json.dumps(listed)))["payload"]["result"]["tools"]
    assert kept == {**tool, "description": "Xxx Xxxx"}
    thing = {"type": "iot", "states": [{"name": "Lamp", "state": {"power": True, "owner": "Otto", "level": 3}}]}
    assert "Otto" not in MASKING.frame(Kind.IN, json.dumps(thing))
    assert '"level":3' in MASKING.frame(Kind.IN, json.dumps(thing))

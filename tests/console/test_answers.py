"""What a console says, in all the forms in which it may be wrong: pure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from badge.console.answers import MalformedAnswerError, PrivateConfig, Unbound, read_answer, shown, whole
from badge.log import MASK

FULL: dict[str, Any] = {
    "selected_module": {"LLM": "LLM_Mine", "TTS": "TTS_Espeak", "Intent": "Intent_function_call"},
    "LLM": {"LLM_Mine": {"type": "openai", "url": "http://llm.example/v1", "model_name": "m", "api_key": "K1-secret"}},
    "TTS": {"TTS_Espeak": {"type": "espeak", "rate": 200}},
    "Intent": {"Intent_function_call": {"type": "function_call"}},
    "plugins": {"get_weather": '{"api_key": "W-secret", "location": "Oslo"}', "play_music": ""},
    "prompt": "You are Ann's.",
    "summaryMemory": "She likes tea.",
    "device_max_output_size": "500",
    "chat_history_conf": 2,
    "delete_audio": False,
    "mcp_endpoint": "wss://mcp.example/mcp?token=M-secret",
}


def config(**data: Any) -> PrivateConfig:
    read = read_answer({"code": 0, "msg": "success", "data": data})
    assert isinstance(read, PrivateConfig)
    return read


@pytest.mark.req("PC-2", "PC-3")
def test_a_whole_configuration() -> None:
    read = config(**FULL)
    assert {kind: (one.name, one.type) for kind, one in read.modules.items()} == {
        "LLM": ("LLM_Mine", "openai"),
        "TTS": ("TTS_Espeak", "espeak"),
        "Intent": ("Intent_function_call", "function_call"),
    }
    assert read.plugins == {"get_weather": {"api_key": "W-secret", "location": "Oslo"}, "play_music": {}}
    assert (read.prompt, read.memory, read.longest_output, read.reported) == (
        "You are Ann's.",
        "She likes tea.",
        500,
        "audio",
    )


@pytest.mark.req("PC-4", "B-79")
@pytest.mark.parametrize("bad", ["{", "[]", "nonsense", "[" * 100_000, '{"a":' * 60 + "1" + "}" * 60, 5, ["x"]])
def test_a_malformed_plugin_disables_itself_and_nothing_else(bad: Any) -> None:
    read = config(plugins={"good": "{}", "bad": bad, "other": '{"a": 1}'})
    assert read.plugins == {"good": {}, "other": {"a": 1}}
    assert read.malformed == ("bad",)


@pytest.mark.req("PC-5", "PC-9")
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"code": 10041, "msg": "not found"}, Unbound()),
        ({"code": 10042, "msg": "123456"}, Unbound(code="123456")),
        ({"code": 10042, "msg": " 123456 "}, Unbound(code="123456")),
        ({"code": 10042, "msg": "12345"}, Unbound()),
        ({"code": 10042, "msg": "１２３４５６"}, Unbound()),
        ({"code": 10042}, Unbound()),
    ],
)
def test_who_is_not_bound(answer: dict[str, Any], expected: Unbound) -> None:
    assert read_answer(answer) == expected


@pytest.mark.req("PC-6")
@pytest.mark.parametrize("answer", [{"code": 500, "msg": "oh"}, {"code": 0}, {"code": 0, "data": []}, {"code": 401}])
def test_an_answer_without_sense_is_not_an_unbound_device(answer: dict[str, Any]) -> None:
    with pytest.raises(MalformedAnswerError):
        read_answer(answer)


@pytest.mark.req("PC-2", "RP-1", "CH-31")
@pytest.mark.parametrize("wrong", [None, "", "x", -1, 1e400, float("nan"), [], {}, True, "9" * 5000])
def test_values_of_the_wrong_type_are_as_if_they_were_not_there(wrong: Any) -> None:
    for conf in (wrong, [wrong]):
        read = config(device_max_output_size=wrong, chat_history_conf=conf, prompt=5, summaryMemory=[], LLM=wrong)
        assert (read.reported, read.prompt, read.memory, read.modules) == ("none", None, "", {})
        assert read.longest_output == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.req("PC-4", "PC-6")
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*FULL, "VAD", "ASR", "Memory"]), json_values))
def test_nothing_that_a_console_says_is_more_than_rubbish(data: dict[str, Any]) -> None:
    assert isinstance(config(**data), PrivateConfig)
    assert shown(data).encode()


@pytest.mark.req("PC-8")
def test_the_log_shows_no_secret_and_nothing_about_the_user() -> None:
    line = shown({**FULL, "LLM": {"L": {"base_url": "http://me:pw-secret@llm.example", "access_key": "A-secret"}}})
    assert "secret" not in line.replace("secret_", "")
    assert "tea" not in line
    assert "Ann" not in line
    read = json.loads(line)
    assert read["plugins"]["get_weather"] == {"api_key": "***", "location": "Oslo"}
    assert read["selected_module"] == FULL["selected_module"]
    assert (read["device_max_output_size"], read["prompt"]) == ("500", "14 characters")


@pytest.mark.req("PC-8")
def test_numbers_short_names_and_other_peoples_names_are_hidden_too() -> None:
    secrets = {"password": 815, "appid": 8151, "sk": "s-815", "pwd": "p-815", "X-Auth": "a-815", "api_key": [815]}
    read = json.loads(shown({"TTS": {"T": {**secrets, "max_tokens": 500, "enable_auth": True, "key": None}}}))
    told = read["TTS"]["T"]
    assert {name for name, value in told.items() if value == MASK} == set(secrets)
    assert (told["max_tokens"], told["enable_auth"], told["key"]) == (500, True, None)
    assert "Ann" not in shown({"voiceprint": {"speakers": ["1,Ann,likes tea"]}})


@pytest.mark.req("PC-6")
def test_halves_of_characters_are_made_whole_before_anybody_sends_them_on() -> None:
    half = json.loads('["\\ud800", {"\\ud83d\\ude00": "\\udc00"}, 5]')
    made = json.dumps(whole(half), ensure_ascii=False)
    assert made.encode()
    assert "😀" in made
    assert shown(half).encode()

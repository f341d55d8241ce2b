"""What a configuration says about models: which answers what, who steps in, what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from badge import texts
from badge.config.file import ConfigError, load
from badge.config.llm import LlmSettings, OverrideError, Purpose, PurposeSettings, entry_of, merged, purposes
from badge.config.settings import Settings
from badge.llms.plan import OFFLINE, Plan, plan_of
from providers.llm.openai_settings import OpenAiSettings
from providers.ports import Usage
from tests.llms.stage import model, plan, settle

MODELS = {"default": model("d"), "big": model("b"), "small": model("s", temperature=0.5)}


def first(one: Plan, purpose: Purpose = Purpose.CHAT) -> LlmSettings:
    """The settings of the model that is asked first."""
    return one.chains[purpose][0].key.settings


def names(one: Plan, purpose: Purpose = Purpose.CHAT) -> list[str]:
    """The models of a purpose in their order."""
    return [endpoint.model for endpoint in one.chains[purpose]]


@pytest.mark.req("LM-1")
@pytest.mark.parametrize(
    ("name", "purpose"),
    [("CHAT", "chat"), ("Meeting", "meeting"), ("", "chat"), (" ", "chat"), ("iNTENT", "intent"), ("memory", "memory")],
)
def test_names_of_purposes(name: str, purpose: str) -> None:
    assert Purpose(name) is Purpose(purpose)
    assert {str(one) for one in Purpose} == {"chat", "meeting", "coding", "working", "intent", "memory"}
    with pytest.raises(ValueError, match="dancing"):
        Purpose("dancing")


@pytest.mark.req("LM-2")
def test_a_purpose_that_is_not_named_is_answered_by_the_default_with_a_warning() -> None:
    made = plan(MODELS, default="big", chat="small", memory="small", intent="small", coding="big", working="big")
    assert names(made, Purpose.CHAT) == ["small"]
    assert names(made, Purpose.MEETING) == ["big"]
    (template, fields) = made.warnings[0]
    assert template.format(**fields) == "get_llm_for: 未找到用途 meeting 的 llm_by_mode 配置，回退到 default"
    assert len(made.warnings) == 1


@pytest.mark.req("LM-2")
def test_where_no_purpose_is_named_nothing_is_missing() -> None:
    """A server without any configuration warns of nothing; one that only says what the default is, of all."""
    assert plan(MODELS).warnings == ()
    assert [fields["key"] for _, fields in plan(MODELS, default="big").warnings] == [str(one) for one in Purpose]


@pytest.mark.req("LM-4", "LM-8")
@pytest.mark.parametrize(
    ("entry", "alias", "changes"),
    [
        ("big", "big", {}),
        ({"alias": "big"}, "big", {}),
        ({"name": "big", "temperature": 0.2}, "big", {"temperature": 0.2}),
        ({"module": "big", "llm": "small"}, "big", {}),
        ({"alias": "", "name": "", "llm": "big", "max_tokens": 9}, "big", {"max_tokens": 9}),
        ({"llm": "big", "overrides": {"temperature": 1}}, "big", {"temperature": 1.0}),
        ({"llm": "big", "overrides": {}}, "big", {}),
        ({"llm": "big", "openai": {"top_p": 0.5}, "model": "b2"}, "big", {"top_p": 0.5, "model": "b2"}),
        ({"llm": "small"}, "small", {}),
    ],
)
def test_entries(entry: Any, alias: str, changes: dict[str, Any]) -> None:
    """A name, or a table with a name and what is different; what is not named stays as the model has it."""
    made = plan(MODELS, chat=entry, default="small")
    assert names(made) == [alias]
    assert first(made).openai == attrs.evolve(MODELS[alias].openai, **changes)


@pytest.mark.req("LM-5")
def test_without_a_name_the_default_model_is_meant() -> None:
    made = plan(MODELS, chat={"temperature": 0.1})
    assert names(made) == ["default"]
    assert first(made).openai == attrs.evolve(MODELS["default"].openai, temperature=0.1)


@pytest.mark.req("LM-6", "LM-7")
def test_purposes_that_say_the_same_share_one_model() -> None:
    made = plan(
        MODELS,
        chat="default",
        meeting={"llm": "small", "temperature": 0.2, "max_tokens": 5},
        coding={"max_tokens": 5, "overrides": None, "alias": "small", "temperature": 0.2},
        working={"llm": "small", "temperature": 0.5},
        intent="small",
        memory={},
    )
    keys = {purpose: made.chains[purpose][0].key for purpose in Purpose}
    assert keys[Purpose.CHAT] == keys[Purpose.MEMORY]
    assert keys[Purpose.MEETING] == keys[Purpose.CODING]
    assert keys[Purpose.WORKING] == keys[Purpose.INTENT]
    assert len(made.endpoints) == 3


@pytest.mark.req("LM-8")
def test_the_kind_of_a_model_is_its_own_or_its_name() -> None:
    base = LlmSettings(openai=OpenAiSettings(base_url="http://localhost/v1"))
    made = plan_of({"default": base, "offline": base, "openai": LlmSettings()}, PurposeSettings(
        chat="offline", coding="openai", working={"llm": "offline", "use": "openai"}
    ), settle)  # fmt: skip
    assert [first(made, Purpose(name)).use for name in ("chat", "coding", "working")] == ["offline", "openai", "openai"]


@pytest.mark.req("LM-9")
def test_a_name_that_does_not_exist_means_the_default_model_with_a_warning() -> None:
    made = plan(MODELS, default="big", chat={"llm": "gone", "temperature": 0.1})
    assert names(made) == ["default"]
    assert first(made) == MODELS["default"]
    said = [template.format(**fields) for template, fields in made.warnings]
    assert said[0] == "get_llm_for: llm_by_mode[chat] 别名未命中(alias=gone), 回退默认LLM"


@pytest.mark.req("LM-9")
@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ({"llm": "big", "temprature": 0.1}, "temprature: is not known here; known: "),
        ({"llm": "big", "temperature": "hot"}, "temperature: must be a number"),
        ({"llm": "big", "temperature": 9.0}, "temperature: must be between 0 and 2".replace("0 and", "-1 and")),
        ({"llm": 3}, "llm: must be the name of a model, a string"),
        ({"llm": "big", "overrides": {"use": "magic"}}, "use: must be one of"),
        ({"llm": "big", "overrides": {}, "temperature": 0.1}, "temperature: must stand in overrides"),
    ],
)
def test_whatever_else_is_wrong_means_the_default_model_with_a_warning(entry: Any, what: str) -> None:
    made = plan(MODELS, chat=entry)
    assert first(made) == MODELS["default"]
    template, fields = made.warnings[0]
    assert template == texts.LOG_LLM_FAILED
    line = template.format(**fields)
    assert line.startswith(f"get_llm_for 失败(chat): {what}")
    assert line.endswith("，回退默认LLM")


@pytest.mark.req("LM-12", "B-83")
@pytest.mark.parametrize("extra", [{"stop": {1, 2}}, {"deep": [{"x": object()}]}, {"n": float("nan")}, {1: "x"}])
def test_settings_that_cannot_be_sent_are_refused(extra: Any) -> None:
    """They do not collide with settings without them."""
    with pytest.raises(OverrideError, match="extra: must be values that JSON has"):
        merged(MODELS["big"], {"extra": extra})
    with pytest.raises(ValueError, match="must be values that JSON has"):
        OpenAiSettings(extra=extra)
    made = plan(MODELS, chat={"llm": "big", "extra": extra})
    assert made.warnings[0][0] == texts.LOG_LLM_FAILED
    assert first(made) == MODELS["default"]


@pytest.mark.req("LM-12", "B-83")
def test_what_was_put_in_later_is_refused_as_well() -> None:
    """Also when a table was changed after it was checked."""
    sly = model("b")
    sly.openai.extra["stop"] = {"x"}
    made = plan({**MODELS, "big": sly}, chat="big")
    assert made.warnings[0][0] == texts.LOG_LLM_FAILED
    assert first(made) == MODELS["default"]
    with pytest.raises(ValueError, match="must be"):
        plan({"default": sly})


@pytest.mark.req("ME-7", "B-121", "IN-2", "B-120")
@pytest.mark.parametrize("purpose", [Purpose.MEMORY, Purpose.INTENT])
@pytest.mark.parametrize(
    ("entry", "second", "chosen"),
    [
        ("big", "small", "big"),  # what is said for the purpose goes first
        ("", "small", "small"),  # then that of the memory or the intent itself
        ("", "gone", "default"),  # if it exists
        ("", "", "default"),
        ({"llm": "small", "temperature": 0.1}, "big", "small"),
    ],
)
def test_models_for_memory_and_intent(purpose: Purpose, entry: Any, second: str, chosen: str) -> None:
    made = plan(MODELS, **{str(purpose): entry, f"{purpose}_llm": second, "chat": "default"})
    assert names(made, purpose) == [chosen]
    warned = [fields["key"] for _, fields in made.warnings]
    assert (str(purpose) in warned) is (chosen == "default")


def test_others_step_in_in_their_order_and_each_once() -> None:
    models = {
        "default": model("d", fallback=["big", "default", "small", "gone", "big"]),
        "big": model("b", fallback=["small"]),
        "small": model("s"),
    }
    made = plan_of(models, PurposeSettings(meeting="big", coding={"llm": "small", "fallback": ["big"]}), settle)
    assert names(made) == ["default", "big", "small"]
    assert names(made, Purpose.MEETING) == ["big", "small"]
    assert names(made, Purpose.CODING) == ["small", "big"]
    assert len(made.endpoints) == 3  # who else stands behind a model makes no other model of it


def test_the_offline_assistant_only_talks() -> None:
    """It writes no minutes, and remembers nothing: where that is asked, others come first, or nobody."""
    models = {"default": LlmSettings(use="offline", fallback=["big"]), "big": model("b")}
    made = plan_of(models, PurposeSettings(), settle)
    assert names(made, Purpose.CHAT) == ["default", "big"]
    assert names(made, Purpose.MEETING) == ["big"]
    alone = plan_of({"default": LlmSettings(use="offline")}, PurposeSettings(), settle)
    assert [alone.chains[purpose] for purpose in (Purpose.MEETING, Purpose.INTENT, Purpose.MEMORY)] == [(), (), ()]
    assert OFFLINE


def test_prices_make_no_other_model() -> None:
    """Purposes share a client whatever they are billed; each model is billed by its own."""
    models = {
        "default": attrs.evolve(model("d", fallback=["big"]), prompt_price=1.0, answer_price=4.0),
        "big": attrs.evolve(model("b"), answer_price=2.5),
    }
    made = plan(models, chat="default", meeting={"llm": "default", "prompt_price": 3})
    usage = Usage(prompt=1_000_000, answer=500_000)
    assert [one.price.of(usage) for one in made.chains[Purpose.CHAT]] == [3.0, 1.25]
    assert [one.price.of(usage) for one in made.chains[Purpose.MEETING]] == [5.0, 1.25]
    assert made.chains[Purpose.CHAT][0].key == made.chains[Purpose.MEETING][0].key
    assert len(made.endpoints) == 2


def test_there_has_to_be_a_default_model() -> None:
    with pytest.raises(LookupError, match=r"\[llm.default\]"):
        plan({"big": model("b")})


def test_the_names_of_a_recording_are_those_of_the_configuration() -> None:
    chosen = PurposeSettings(chat="big", meeting={"llm": "small"}, coding="gone", working={"llm": 3})
    assert {str(key): name for key, name in purposes(chosen, MODELS).items()} == {
        "chat": "big", "meeting": "small", "coding": "default", "working": "default",
        "intent": "default", "memory": "default",
    }  # fmt: skip


# --- the file -----------------------------------------------------------------------------------------------------------


def read(folder: Path, text: str) -> Settings:
    """The settings that a file says."""
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, {})


@pytest.mark.req("LM-4")
def test_the_file_says_it_in_either_way(tmp_path: Path) -> None:
    text = "[llm.default]\nfallback = ['big']\n[llm.big]\nuse = 'openai'\n"
    text += (
        "[llm_by_purpose]\ndefault = 'big'\nmeeting = { llm = 'big', temperature = 0.3, extra = { stop = ['x'] } }\n"
    )
    settings = read(tmp_path, text)
    made = plan_of(settings.llm, settings.llm_by_purpose, settle)
    assert first(made, Purpose.MEETING).openai == OpenAiSettings(temperature=0.3, extra={"stop": ["x"]})
    assert names(made, Purpose.WORKING) == ["big"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "chat = { llm = 'big', temprature = 1 }",
            "llm_by_purpose.chat.temprature = 1: is not known here; known: answer_price, api_key",
        ),
        ("chat = { llm = 'big', temperature = 3 }", "llm_by_purpose.chat.temperature = 3: must be between -1 and 2"),
        ("chat = { llm = 'big', openai = { model = '' } }", 'llm_by_purpose.chat.openai.model = "": must be the name'),
        ("chat = { llm = 'gone' }", 'llm_by_purpose.chat = "gone": must be one of big, default'),
        ("memory = 'gone'", 'llm_by_purpose.memory = "gone": must be one of big, default'),
        ("default = 'gone'", 'llm_by_purpose.default = "gone": must be one of big, default'),
        ("dancing = 'big'", "llm_by_purpose.dancing"),
        ("chat = 5", "llm_by_purpose.chat = 5: must be a string or an object"),
        ("chat = { llm = 'big', fallback = ['gone'] }", 'llm_by_purpose.chat.fallback = "gone": must be one of'),
        ("chat = { llm = 'big', extra = { since = 2026-01-01 } }", "llm_by_purpose.chat.extra = "),
        ("[llm.other]\nfallback = ['gone']", 'llm.other.fallback = "gone": must be one of big, default, other'),
        ("chat = { llm = 'big', api_key = 5 }", "llm_by_purpose.chat.api_key = ***: must be a string"),
        ("chat = [{ api_key = 'sk-geheim' }]", 'llm_by_purpose.chat = [{"api_key": "***"}]: must be a string'),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_would_be_right(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"[llm.default]\n[llm.big]\nuse = 'openai'\n[llm_by_purpose]\n{text}\n")
    assert says in "\n".join(caught.value.lines)
    assert "geheim" not in str(caught.value)


def test_no_secret_is_shown() -> None:
    """Not by settings, entries, plans or keys of the pool."""
    secret = "sk-geheim"
    chosen = PurposeSettings(chat={"llm": "big", "api_key": secret})
    made = plan_of({"default": model("d", api_key=secret), "big": model("b")}, chosen, settle)
    shown = [chosen, made, made.chains, made.endpoints, model("d", api_key=secret), entry_of(chosen.chat)]
    assert not [one for one in shown if secret in repr(one) or secret in str(one)]

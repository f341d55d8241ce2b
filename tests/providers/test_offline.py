"""The offline assistant as a provider: the port's contract, the order of its skills, and that it always answers."""

from __future__ import annotations

import datetime
import time

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.llm.offline import LONGEST_REQUEST, OfflineLlm, answer
from providers.ports import ChatMessage, Llm, Prompt, ProviderError, Schema, Text, Token
from providers.sentences import SentenceSplitter

NOW = datetime.datetime(2025, 11, 21, 15, 5, tzinfo=datetime.UTC)


def dialogue(*texts: str) -> tuple[ChatMessage, ...]:
    """A system message, then user and assistant in turn, the user last."""
    talk = [
        ChatMessage(role="user" if n % 2 == len(texts) % 2 else "assistant", content=t)
        for n, t in enumerate(texts, start=1)
    ]
    return (ChatMessage(role="system", content="You are a badge. What time is it?"), *talk)


def ask(*texts: str) -> str:
    """The answer to the last of the texts."""
    return answer(dialogue(*texts), NOW)


async def tokens_of(llm: Llm, text: str) -> list[Token]:
    """One answer as a stream."""
    async with llm.stream(Prompt(messages=dialogue(text))) as channel:
        return [token async for token in channel]


async def test_it_says_that_it_writes_no_documents() -> None:
    """Whoever wants one has to do without it, and knows."""
    prompt = Prompt(messages=dialogue("what time is it"), schema=Schema(name="minutes", json={"type": "object"}))
    with pytest.raises(ProviderError, match=r"writes no documents\. Set OPENAI_API_KEY"):
        async with OfflineLlm(lambda: NOW).stream(prompt):
            pass


async def test_it_is_a_provider() -> None:
    """Starts at once, streams sentences, and takes the time from the injected clock at each question."""
    moments = iter([NOW, NOW.replace(hour=16)])
    llm = OfflineLlm(lambda: next(moments))
    async with trio.open_nursery() as nursery:
        await nursery.start(llm.run)
        assert await tokens_of(llm, "what time is it") == [Text("It is 3:05 PM.")]
        assert await tokens_of(llm, "几点了") == [Text("现在是下午四点零五分。")]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "text", ["what can you do", "你会什么", "tell me a story", "who are you", "repeat after me a. b.  c 3.5"]
)
async def test_the_stream_is_the_whole_answer(text: str) -> None:
    """Sentence by sentence, nothing lost; the splitter makes the same sentences of it."""
    tokens = await tokens_of(OfflineLlm(lambda: NOW), text)
    assert all(isinstance(token, Text) and token.text for token in tokens)
    whole = "".join(token.text for token in tokens if isinstance(token, Text))
    assert whole == ask(text)
    splitter = SentenceSplitter()
    spoken = [s for token in tokens if isinstance(token, Text) for s in splitter.feed(token.text)] + splitter.flush()
    assert spoken
    assert all(len(sentence) <= 200 for sentence in spoken)


async def test_it_can_be_left_and_cancelled() -> None:
    """Nothing is owed to the reader who goes."""
    llm = OfflineLlm(lambda: NOW)
    async with llm.stream(Prompt(messages=dialogue("who are you"))) as tokens:
        await tokens.receive()
    with trio.move_on_after(0) as scope:
        await tokens_of(llm, "who are you")
    assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("hello what time is it", "3:05 PM"),
        ("what time is it", "3:05 PM"),
        ("今天星期几", "星期五"),
        ("what is twelve times three", "36"),
        ("三加五等于几", "8"),
        ("convert ten meters to feet", "32.81 feet"),
        ("一百华氏度是多少摄氏度", "37.78摄氏度"),
        ("repeat after me what time is it", "what time is it"),
        ("跟我说三加五等于几", "三加五等于几"),
        ("what can you do", "repeat after you"),
        ("嘿，你好呀", "你好呀"),
        ("two hours in minutes", "120 minutes"),
        ("two minus minutes", "offline assistant"),
        ("write a poem", "offline assistant"),
        ("写一首诗", "离线助手"),
        ("", "offline assistant"),
        ("🙂", "offline assistant"),
    ],
)
def test_the_right_skill_answers(text: str, part: str) -> None:
    """Every kind of request finds its skill, and the rest the last resort."""
    assert part in ask(text)


def test_it_knows_what_it_said() -> None:
    """The last spoken answer counts; one that was interrupted before its first word does not."""
    assert ask("what time is it", "It is noon.", "say that again") == "It is noon."
    assert ask("hello", "Hello!", "what is one plus one", "(interrupted)", "say that again") == "Hello!"
    assert ask("say that again") == "I have not said anything yet."


def test_no_user_message() -> None:
    """An empty dialogue is answered too."""
    assert "offline assistant" in answer((), NOW)


def test_long_texts_are_only_repeated() -> None:
    """The skills look at short requests; a long one costs no time."""
    words = "word " * LONGEST_REQUEST
    assert ask(f"repeat after me {words}") == words.strip()
    assert "offline assistant" in ask("please " * LONGEST_REQUEST + "what time is it")


HARD = [
    "1" * 290,
    "一" * 290,
    "1 " * 145,
    "十" * 145 + "米" * 145,
    "one " * 70,
    "(" * 290,
    "what is " * 36,
    "请" * 290,
    "1米" * 145,
]
HARD += [
    "1," * 145,
    "-" * 290,
    "a hundred " * 28,
    "1.1" * 96,
    "一分之" * 96,
    "的" * 290,
    " " * 290 + "x",
    "repeat " * 40,
    "1" * 280 + "好",
    "1,1" * 90 + "米好",
    "一二" * 140 + "好",
    "how many " * 32,
]


@pytest.mark.parametrize("text", HARD, ids=range(len(HARD)))
def test_no_text_is_hard(text: str) -> None:
    """The patterns do not explode: some milliseconds at most, where a second would be a disaster."""
    start = time.process_time()
    ask(text)
    assert time.process_time() - start < 0.1


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=LONGEST_REQUEST)
    | st.lists(
        st.sampled_from(
            [
                "what",
                "is",
                "time",
                "the",
                "3",
                "ten",
                "meters",
                "in",
                "feet",
                "plus",
                "三",
                "加",
                "米",
                "是",
                "多少",
                "几点",
                "说",
            ]
        )
    ).map(" ".join)
)
def test_it_always_answers(text: str) -> None:
    """Whatever is said, there is something to say."""
    said = ask(text)
    assert said.strip()


@pytest.mark.req("DG-1")
@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("what is 1 plus 2", True),
        ("现在几点", True),
        ("how are you", False),
        ("tell me about the sea", False),
        ("", False),
    ],
)
async def test_in_place_of_a_model_only_what_is_sure_is_said(text: str, known: bool) -> None:
    """Whoever asked a model, and gets no answer, is not to be told that all is well."""
    llm = OfflineLlm(lambda: NOW, last=None)
    prompt = Prompt(messages=(ChatMessage(role="user", content=text),))
    if known:
        async with llm.stream(prompt) as tokens:
            assert await tokens.receive()
    else:
        with pytest.raises(ProviderError, match="knows no answer"):
            async with llm.stream(prompt):
                pass

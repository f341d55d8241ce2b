"""Where answers are cut for speaking: a case table in both languages, and laws that hold for every text."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from providers.sentences import SentenceSplitter

CASES: dict[str, tuple[str, list[str]]] = {
    # --- ends of sentences ---
    "three marks": ("Hello there. How are you? Fine!", ["Hello there.", "How are you?", "Fine!"]),
    "wide marks": ("我很好。你呢？太好了！走吧", ["我很好。", "你呢？", "太好了！", "走吧"]),
    "semicolons": ("It is late; go home. 今天下雨；明天晴。", ["It is late;", "go home.", "今天下雨；", "明天晴。"]),
    "several marks": ("Really?! 真的吗？！好!!! Yes", ["Really?!", "真的吗？！", "好!!!", "Yes"]),
    "ellipsis": ("Wait... What? 等等……然后呢？嗯…好", ["Wait...", "What?", "等等……", "然后呢？", "嗯…", "好"]),
    "ellipsis within": ("Well...maybe. Yes", ["Well...maybe.", "Yes"]),
    "lines": ("first\nsecond\n\nthird", ["first", "second", "third"]),
    "windows lines": ("first\r\nsecond\r\n", ["first", "second"]),
    "no end": ("just a few words", ["just a few words"]),
    "nothing": ("", []),
    "marks without words": ("... !!! ？？ — “” ()", []),
    "no space after the mark": ("Really?Yes!OK", ["Really?", "Yes!", "OK"]),
    "point before Chinese": ("我用Python.你呢？", ["我用Python.", "你呢？"]),
    # --- points that end nothing ---
    "decimals": ("Pi is 3.14159. Next.", ["Pi is 3.14159.", "Next."]),
    "decimals in Chinese": ("价格是3.5元。还有4.2。", ["价格是3.5元。", "还有4.2。"]),
    "thousands": ("It has 1,234,567.5 parts. Yes.", ["It has 1,234,567.5 parts.", "Yes."]),
    "addresses": ("See https://a.b/c?x=1.2&y=2!z. Then go.", ["See https://a.b/c?x=1.2&y=2!z.", "Then go."]),
    "mail": ("Write to joe.b@x.org. Now.", ["Write to joe.b@x.org.", "Now."]),
    "files and versions": ("Open file.txt in v1.2.3 now. OK", ["Open file.txt in v1.2.3 now.", "OK"]),
    "titles": ("Mr. Smith met Dr. Jones vs. Prof. Wu. Fine.", ["Mr. Smith met Dr. Jones vs. Prof. Wu.", "Fine."]),
    "e.g.": ("Take fruit, e.g. apples, i.e. food. Yes.", ["Take fruit,", "e.g. apples, i.e. food.", "Yes."]),
    "initials": ("J. K. Rowling is in the U.S. now. So am I.", ["J. K. Rowling is in the U.S. now.", "So am I."]),
    "etc": ("Apples, etc. are sold. Pears etc. Then", ["Apples, etc. are sold.", "Pears etc.", "Then"]),
    "hours": ("It is 5 p.m. and late. At 5 p.m. Bring it", ["It is 5 p.m. and late.", "At 5 p.m.", "Bring it"]),
    "numbers": ("See No. 5 and Fig. 2. I say no. Stop", ["See No. 5 and Fig. 2.", "I say no.", "Stop"]),
    "dates": ("On Jan. 5 it fell. In Jan. It rose", ["On Jan. 5 it fell.", "In Jan.", "It rose"]),
    "operators": ("if a != b then c ?= d. ok", ["if a != b then c ?= d.", "ok"]),
    # --- closing marks ---
    "quotes": ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
    "quotes that open": ('他走了。"为什么？"她问。', ["他走了。", '"为什么？"', "她问。"]),
    "curly quotes": ("“好。”他说。“走吧！”", ["“好。”", "他说。", "“走吧！”"]),
    "corner quotes": ("「你好。」然后", ["「你好。」", "然后"]),
    "brackets": ("(It is late.) Go home. （真的。）好", ["(It is late.)", "Go home.", "（真的。）", "好"]),
    "single quotes": ("She said 'yes.' Then no.", ["She said 'yes.'", "Then no."]),
    # --- the first clause ---
    "early clause": ("Well my friend, it is late, so go.", ["Well my friend,", "it is late, so go."]),
    "clause too short": ("Well, my friend, it is late.", ["Well, my friend,", "it is late."]),
    "early clause, Chinese": ("今天天气，不错，很好。", ["今天天气，", "不错，很好。"]),
    "clause too short, Chinese": ("好的，今天不错，很好。", ["好的，今天不错，", "很好。"]),
    "clause with a quote": ("他说：“今天很好，”然后，走了。", ["他说：“今天很好，”", "然后，走了。"]),
    "number is no clause": ("There are 12,000 of them, I think.", ["There are 12,000 of them,", "I think."]),
    "time is no clause": ("It starts at 12:30 today. 现在是12：30。", ["It starts at 12:30 today.", "现在是12：30。"]),
    # --- white space ---
    "folded": ("  a   b \t c\u00a0d  . e", ["a b c d.", "e"]),
    # --- Markdown ---
    "bold": ("**Hello.** This is *very* __good__ and ~~bad~~.", ["Hello.", "This is very good and bad."]),
    "bold in Chinese": ("**重要**：记得*喝水*。", ["重要：记得喝水。"]),
    "products": ("3 * 4 is 3*4, and 2 ** 3 is 8.", ["3 * 4 is 3*4,", "and 2 ** 3 is 8."]),
    "names": ("Set OPENAI_API_KEY and __init__ now.", ["Set OPENAI_API_KEY and init now."]),
    "code": ("Call `print(x)` or ``y``.", ["Call print(x) or y."]),
    "headings": ("# One\n## Two ##\ntext #3 and #4\n#5", ["One", "Two ##", "text #3 and #4", "#5"]),
    "lists": ("- one\n* two\n  + three\n• four\n-5 degrees", ["one", "two", "three", "four", "-5 degrees"]),
    "numbered": ("1. First. More\n2. Second\n10) Third", ["1. First.", "More", "2. Second", "10) Third"]),
    "quotation": ("> quoted\n> > twice\n> - item", ["quoted", "twice", "item"]),
    "rule": ("a\n\n---\n***\n___\nb", ["a", "b"]),
    "links": ("See [the **docs**](http://x.y/a_(b)?q=1 \"t\") and ![a cat](c.png)!", ["See the docs and a cat!"]),
    "no links": ("a[0] and [note] (x) ![ and [x](", ["a[0] and [note] (x) ![ and [x]("]),
    "table": ("| Name | Age |\n|:---|---:|\n| Bo | 5 |\nend | x", ["Name, Age", "Bo, 5", "end | x"]),
    "fence": ("Do:\n```python\nx = 1\nprint(x)\n```\nDone", ["Do:", "x = 1", "print(x)", "Done"]),
    "fence without a language": ("```\nx = 1\n```", ["x = 1"]),
    "fence in a line": ("```code``` here", ["code here"]),
    "escapes": (r"5 \* 3 \# \\ C:\temp", [r"5 * 3 # \ C:\temp"]),
    # --- emoji and other unspeakables ---
    "emoji": ("🙂 Hi 😀😀 there 👨‍👩‍👧 !❤️ Bye🇨🇳", ["Hi there!", "Bye"]),
    "emoji only": ("😀👍🏽", []),
    "keycaps": ("Press 1️⃣ now", ["Press 1 now"]),
    "digits in circles": ("① and ❷ stay", ["① and ❷ stay"]),
    "invisible": ("a\u200bb\ufeffc\x00d\ud83de", ["abcde"]),
}  # fmt: skip


def split(text: str, size: int | None = None, **limits: int) -> list[str]:
    """All sentences of a text, fed in pieces of one size."""
    splitter = SentenceSplitter(**limits)
    sentences: list[str] = []
    for at in range(0, len(text), size or max(len(text), 1)):
        sentences += splitter.feed(text[at : at + (size or len(text))])
    return sentences + splitter.flush()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [None, 1, 2, 3, 5])
def test_cases(case: str, size: int | None) -> None:
    """The table, fed whole and in tokens."""
    text, sentences = CASES[case]
    assert split(text, size) == sentences


# --- when a sentence comes out ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fed", "out"),
    [
        ("Hello there.", []),  # 3.5? file.txt?
        ("Hello there. ", ["Hello there."]),
        ("你好呀。", []),  # a closing quotation mark may follow
        ("你好呀。我", ["你好呀。"]),
        ("Is it etc. ", []),  # depends on the next word
        ("one\n", ["one"]),
        ("Well my friend, ", ["Well my friend,"]),
        ("**Hello.** T", ["Hello."]),
        ("see [the docs](http://x", []),
        ("a line. [", ["a line."]),
    ],
)
def test_nothing_waits_longer_than_needed(fed: str, out: list[str]) -> None:
    """A sentence is given as soon as no further text could change it."""
    assert SentenceSplitter().feed(fed) == out


def test_flush_begins_anew() -> None:
    """The next answer has a first clause again, and nothing of the one before."""
    splitter = SentenceSplitter()
    assert splitter.feed("One sentence. Two, three, [four") == ["One sentence."]
    assert splitter.flush() == ["Two, three, [four"]
    assert splitter.feed("Well my friend, yes") == ["Well my friend,"]
    assert splitter.flush() == ["yes"]
    assert splitter.flush() == []


# --- long texts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("one two three four five six", ["one two three four", "five six"]),
        ("one two three, four five six", ["one two three,", "four five six"]),
        ("a, two three four five six", ["a, two three four", "five six"]),
        ("一二三四五六七八九十一二三四五六七八九十一二三", ["一二三四五六七八九十一二三四五六七八九十", "一二三"]),
        ("一二三四五六七八九十一二，四五六七八九十一二三", ["一二三四五六七八九十一二，", "四五六七八九十一二三"]),
        ("it costs 1,234,567,890,123 now", ["it costs", "1,234,567,890,123", "now"]),
        ("共计一千二百三十四点 1234567890123 元", ["共计一千二百三十四点", "1234567890123 元"]),
        ("x" * 45, ["x" * 20, "x" * 20, "x" * 5]),
        ("a sentence of twenty. And more", ["a sentence of", "twenty.", "And more"]),
        ("a sentence of twent. And more", ["a sentence of twent.", "And more"]),
    ],
)
def test_long_texts_are_cut_at_a_good_place(text: str, sentences: list[str]) -> None:
    """At most 20 characters here; after a mark, at a space, between ideographs, and only then anywhere."""
    for size in (None, 1, 2, 3):
        assert split(text, size, first_min=100, first_min_cjk=100, max_chars=20) == sentences


# --- laws -------------------------------------------------------------------------------------------------------------

WORDS = "a b c I it no etc Mr U.S e.g No 3 14 1,2 我 你好 天气 http://a.b/c [x](y)"
MARKS = ". . . ! ? , ; : … 。 ！ ？ ； ， 、 ： “ ” \" ' ( ) [ ] （ ） 「 」 — - – % \u200b 😀 🙂 ❤️ 1️⃣"
MARKUP = "* ** *** _ __ ~ ~~ ` `` ``` ```py # ## - + > | | |-| \\ \\* ![ ]("
SPACES = (" ", " ", " ", "  ", "\n", "\n", "\n\n", "\r\n", "\t", "\n- ", "\n# ", "\n| ", "\n```\n", ". ", ", ", "。\n")
PIECES = st.sampled_from([*WORDS.split(), *MARKS.split(), *MARKUP.split(), *SPACES])
TEXTS = st.one_of(st.lists(PIECES, max_size=60).map("".join), st.text(max_size=80))
LIMITS = st.fixed_dictionaries(
    {"first_min": st.integers(0, 12), "first_min_cjk": st.integers(0, 6), "max_chars": st.sampled_from([5, 20, 200])}
)


@settings(max_examples=600, deadline=None)
@given(TEXTS, st.lists(st.integers(1, 9), min_size=1, max_size=20), LIMITS)
@example("[a(b](c(d)e", [1], {"first_min": 1, "first_min_cjk": 1, "max_chars": 5})
def test_tokens_make_no_difference(text: str, sizes: list[int], limits: dict[str, int]) -> None:
    """However the text is divided, the sentences are the same."""
    splitter = SentenceSplitter(**limits)
    sentences: list[str] = []
    at = turn = 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        sentences += splitter.feed(text[at : at + size])
        at, turn = at + size, turn + 1
    assert sentences + splitter.flush() == split(text, **limits)


def speakable(text: str) -> str:
    """Letters and digits."""
    return "".join(filter(str.isalnum, text))


@settings(max_examples=600, deadline=None)
@given(TEXTS, LIMITS)
def test_nothing_speakable_is_lost(text: str, limits: dict[str, int]) -> None:
    """Every letter and digit comes out once, in order; only targets of links and languages of fences do not."""
    plain = re.sub(r"\]\(|```", " ", text)
    assert speakable("".join(split(plain, **limits))) == speakable(plain)


@settings(max_examples=600, deadline=None)
@given(TEXTS, LIMITS)
def test_sentences_are_well_formed(text: str, limits: dict[str, int]) -> None:
    """Something to say, not too long, no line breaks, no double or outer spaces."""
    for sentence in split(text, **limits):
        assert speakable(sentence)
        assert len(sentence) <= limits["max_chars"]
        assert sentence == " ".join(sentence.split())


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(["word", "a", "1234", "1,000", "3.5", "我们", "好", "don't", "so,", "好，"]),
        min_size=1,
        max_size=80,
    )
)
def test_words_and_numbers_stay_whole(words: list[str]) -> None:
    """Cutting a long text does not cut what belongs together."""
    whole = set(" ".join(words).split())
    for sentence in split(" ".join(words), first_min=100, first_min_cjk=100, max_chars=20):
        assert set(sentence.split()) <= whole

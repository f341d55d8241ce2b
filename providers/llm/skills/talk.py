"""Repeating, help and small talk, and the last resort for everything else."""

from __future__ import annotations

import re

from providers.llm.skills.base import Context
from providers.llm.skills.wording import phrase_in, phrases

# --- repeating --------------------------------------------------------------------------------------------------------

_AGAIN = phrases(
    "say that again|say it again|repeat that|repeat it|repeat|again|once more|one more time|what did you say|"
    "what did you just say|"
    "pardon|pardon me|come again|sorry what|i did not hear you|i didn't hear you|i did not get that|repeat that "
    "please|what",
    "再说一遍|再说一次|再说一下|重复一遍|重复一次|重复一下|你说什么|你刚才说什么|你刚刚说什么|你刚才说了什么|刚才说什么|没听清|我没听清|没听见|我没听见|没听清楚|我没听清楚|再来一遍|什么",
)
_NOTHING_SAID = {"en": "I have not said anything yet.", "zh": "我还没说过话呢。"}
_REPEAT = (
    re.compile(r"^\W*(?:please\s+)?(?:repeat|say)\s+after\s+me\b\W*(?P<words>.*)$", re.IGNORECASE | re.DOTALL),
    re.compile(
        r"^\W*(?:please\s+)?(?:repeat|say)(?:\s+the\s+words?)?\s*[,:]?\s+"
        r"(?!something\b|anything\b|nothing\b)(?P<words>.+)$",
        re.IGNORECASE | re.DOTALL,
    ),
    re.compile(
        r"^\W*请?(?:你)?\s*(?:跟\s*着?\s*我|学\s*我)\s*(?:一起)?\s*(?:说|念|读|讲)(?:话)?(?:一遍|一下)?\W*(?P<words>.*)$", re.DOTALL
    ),
    re.compile(r"^\W*请?(?:你)?\s*重复(?:一遍|一下)?\W*(?P<words>.+)$", re.DOTALL),
)  # fmt: skip
_REPEAT_WHAT = {"en": "What shall I repeat?", "zh": "你要我跟你说什么？"}


def say_again(text: str, context: Context) -> str | None:
    """The assistant's last answer once more."""
    if not phrase_in(text, _AGAIN):
        return None
    return context.said_before or _NOTHING_SAID[context.language]


def repeat(text: str, context: Context) -> str | None:
    """The user's words, as they are."""
    found = next(filter(None, (pattern.match(text.strip()) for pattern in _REPEAT)), None)
    if found is None:
        return None
    words: str = found["words"].strip()
    return words if any(map(str.isalnum, words)) else _REPEAT_WHAT[context.language]


# --- help and small talk ----------------------------------------------------------------------------------------------

_SMALL_TALK: tuple[tuple[str, str, str, str], ...] = (
    (
        "what can you do|what can i ask|what can i ask you|what can i say|what do you do|what are you able to do|"
        "what are your skills|"
        "what are you good at|help|help me|i need help|how can you help me|how do you work|how can i use you|"
        "commands|menu",
        "I can tell you the time and the date, do sums such as twelve times three, and convert units such as "
        "miles to kilometers. "
        "I can also repeat after you.",
        "你会什么|你会做什么|你会干什么|你能做什么|你能干什么|你都会什么|你都会些什么|你会些什么|你能做些什么|你可以做什么|你可以干什么|"
        "你有什么功能|你有哪些功能|你有什么技能|你有什么用|能做什么|会什么|功能|帮助|帮帮我|帮帮忙|怎么用|怎么使用|你怎么用|有什么功能",
        "我会报时间和日期，会做算术，比如十二乘以三，也会换算单位，比如一英里是多少公里。我还会跟你说话。",
    ),
    (
        "hello|hi|hey|hello there|hi there|hey there|hey badge|hi badge|hello badge|greetings|howdy|good day",
        "Hello! How can I help you?",
        "嘿你好呀|你好|你好呀|你好啊|您好|嘿|嗨|哈喽|哈啰|喂|嘿你好|嗨你好|大家好|在吗|你在吗|在不在|你好小智|小智",
        "你好呀，我在呢。有什么可以帮你？",
    ),
    ("good morning|morning", "Good morning!", "早上好|早安|早|早啊|上午好|早呀", "早上好！"),
    ("good afternoon", "Good afternoon!", "下午好|中午好|午安", "下午好！"),
    ("good evening", "Good evening!", "晚上好", "晚上好！"),
    (
        "good night|sleep well|night night|sweet dreams",
        "Good night. Sleep well!",
        "晚安|好梦|睡觉了|我要睡觉了|我去睡了",
        "晚安，做个好梦。",
    ),
    (
        "thanks|thank you|thank you very much|thank you so much|thanks a lot|many thanks|cheers|great thanks|ok "
        "thank you|okay thank you",
        "You are welcome.",
        "谢谢|谢谢你|多谢|谢谢啊|谢谢您|非常感谢|感谢|太感谢了|谢啦|谢了",
        "不客气。",
    ),
    (
        "how are you|how are you doing|how is it going|how do you do|are you okay|are you well|how are you today|"
        "how do you feel|what is up",
        "I am fine, thank you. How are you?",
        "你好吗|你怎么样|你还好吗|最近怎么样|你最近怎么样|你最近好吗|过得怎么样|你过得好吗|还好吗",
        "我很好，谢谢。你呢？",
    ),
    (
        "i am fine|i am good|fine|i am fine thank you|i'm fine|i'm good|i am well|very well|not bad|good",
        "I am glad to hear that.",
        "我很好|我也很好|挺好的|还不错|不错|很好|还行|我挺好的",
        "那太好了。",
    ),
    (
        "who are you|what are you|what is your name|do you have a name|introduce yourself|are you a robot|are "
        "you human|are you real|"
        "are you an ai|are you a person",
        "I am Badge, a voice assistant. I work without the network, so I know only a few things.",
        "你是谁|你叫什么|你叫什么名字|你叫啥|你的名字是什么|你是什么|介绍一下你自己|介绍一下自己|自我介绍|自我介绍一下|你是机器人吗|你是人吗|你是真人吗|"
        "你叫什么名字呀",
        "我是你的语音助手。我不用联网，所以只会几样本领。",
    ),
    (
        "are you there|are you listening|can you hear me|do you hear me|testing|test|one two three|hello can you "
        "hear me|is anybody there",
        "Yes, I can hear you.",
        "你听得到吗|听得到吗|你能听到吗|能听到吗|能听见吗|你能听见我吗|听得见吗|你听得见吗|测试|测试一下|能听到我说话吗|你能听到我说话吗",
        "听得到，请说。",
    ),
    (
        "bye|bye bye|goodbye|good bye|see you|see you later|see you tomorrow|talk to you later|have a nice day|"
        "that is all|take care",
        "Goodbye! See you soon.",
        "再见|拜拜|拜|回头见|明天见|回见|下次见|待会见|没事了|先这样",
        "再见，回头聊。",
    ),
    (
        "sorry|i am sorry|i'm sorry|excuse me|my mistake|never mind|forget it",
        "No problem.",
        "对不起|抱歉|不好意思|没关系|算了|没事",
        "没关系。",
    ),
    (
        "nice to meet you|pleased to meet you|good to see you",
        "Nice to meet you too.",
        "很高兴认识你|认识你很高兴|幸会|见到你很高兴",
        "认识你我也很高兴。",
    ),
    (
        "good job|well done|great|very good|excellent|awesome|you are great|you are smart|you are the best|i "
        "love you|i like you|"
        "you are funny|nice|wonderful|perfect|amazing|cool",
        "Thank you, that is kind of you.",
        "真棒|你真棒|你真聪明|太好了|做得好|很棒|厉害|真厉害|你真厉害|我爱你|我喜欢你|你真好|你真可爱|太棒了|好棒",
        "谢谢夸奖。",
    ),
    ("yes|yeah|yep|ok|okay|sure|alright|all right|right", "All right.", "好|好的|是|是的|对|对的|嗯|行|可以|没问题|好吧|好呀", "好的。"),
    (
        "no|nope|no thanks|no thank you|not now|nothing",
        "All right, just call me when you need me.",
        "不|不是|不用|不用了|不要|不需要|没有|不了",
        "好的，需要我的时候再叫我。",
    ),
)  # fmt: skip
"""English phrases and answer, Chinese phrases and answer."""

_ANSWERS: dict[str, dict[str, str]] = {
    phrase: {"en": english, "zh": chinese}
    for english_phrases, english, chinese_phrases, chinese in _SMALL_TALK
    for phrase in phrases(english_phrases, chinese_phrases)
}


def small_talk(text: str, context: Context) -> str | None:
    """Greetings, thanks, help and the like."""
    phrase = phrase_in(text, _ANSWERS)
    return _ANSWERS[phrase][context.language] if phrase else None


_LAST_RESORT = {
    "en": "I am only the offline assistant: I tell the time and the date, calculate, convert units and repeat "
    "after you, and for "
    "anything else somebody has to set OPENAI_API_KEY, or a base_url in config.toml.",
    "zh": "我只是离线助手，会报时间和日期、算术、换算单位和跟你说话，要聊别的，请先设置环境变量OPENAI_API_KEY，或者在config.toml里填写base_url。",
}


def last_resort(text: str, context: Context) -> str:  # noqa: ARG001 - the words do not matter
    """What this assistant can do, and how to connect a language model."""
    return _LAST_RESORT[context.language]

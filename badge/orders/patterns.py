"""Orders that hold words of the user's own: the patterns."""

from __future__ import annotations

import re

_POLITE = (
    r"(?:(?:please|hey|ok|okay|badge|can you|could you|would you|will you|i want you to|i need you to|i'd like you to|"
    r"请你?|麻烦你?|帮我|给我|替我|你能不能|能不能|能|你可以|可以|可不可以|到时候|记得|别忘了|别忘记|不要忘了|我想要|我要|我想|你)[\s,，]*)*"
)
_POLITE_END = r"(?:[\s,，]*(?:please|thanks|thank you|好吗|可以吗|行吗|谢谢|吧))*"
_FLAGS = re.IGNORECASE | re.DOTALL


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(rf"{_POLITE}(?:{text}){_POLITE_END}\s*", _FLAGS)


REMIND_ENGLISH = _pattern(r"(?:remind me|(?:set|create|add|make)(?: me)? a reminder|set reminder)\b(?P<rest>.*?)")
REMIND_CHINESE = _pattern(
    r"(?P<before>.*?)(?:记得)?(?P<verb>提醒一下我|提醒下我|提醒我|叫醒我|叫我|喊我)(?:一下)?(?P<rest>.*?)"
)
TIMER_ENGLISH = (
    _pattern(
        r"(?:(?:set|start|make|create)(?: me)? )?(?:a|an|the|another)? ?timer(?:,? (?:for|of))?(?P<rest>(?: .*?)?)"
    ),
    _pattern(r"(?:set|start|make|create)(?: me)? (?:a|an)? ?(?P<rest>\S.*?)[ -]timer"),
)
ALARM_ENGLISH = _pattern(
    r"(?:set(?: me)? (?:an|the|my) alarm|set alarm|alarm|(?P<wake>wake me(?: up)?))(?:(?: clock)? (?:for|to))?(?P<rest> .*?)"
)
TIMER_CHINESE = (
    _pattern(
        r"(?:设置|设定|设|定|开始|开|来|订|启动)?(?P<rest>.*?)的?(?P<what>闹钟|闹铃|计时器|定时器|倒计时|计时|定时)"
    ),
    _pattern(
        r"(?:设置|设定|设|定|开始|开|来|订|启动)?(?:一?个)?(?P<what>闹钟|闹铃|计时器|定时器|倒计时|计时|定时)(?:到|在|为|，|,)?(?P<rest>.*?)"
    ),
)
ABOUT = re.compile(r"(?:to|that|about|of|for)\s+(?P<what>\S.*)", _FLAGS)
QUESTION = re.compile(
    r"(?:who|what|why|when|where|which|how|whose|whether|if)\b|.*(?:什么|谁|怎么|为什么|哪|吗|几|多少)", _FLAGS
)

AGAIN = re.compile(r"\b(?:every|daily|weekly|monthly|hourly)\b|每", _FLAGS)
"""Reminders come once: what is to come again and again is no order, so that nobody relies on it."""

ADD = (
    _pattern(
        r"(?:add|create|make|new)\s+(?:a |an |the |another |one more )?(?:new )?(?:task|to-?do|to do)(?: item)?\b(?! list)"
        r"[\s:,]*(?:(?:to|called|named|for me to|that says)\b)?\s*(?P<title>\S.*?)"
    ),
    _pattern(
        r"(?:add|put)\s+(?P<title>\S.*?)\s+(?:to|on|onto) (?:my |the |our )?(?:tasks?|(?:task|to-?do|to do)[ -]?list|list of tasks)"
    ),
    _pattern(
        r"(?:新建|添加|加入|加上|加|创建|新增|增加|建立|记)(?:一?[个条项])?(?:新的?)?任务[\s:：，,、]*(?:叫做?|是)?(?P<title>\S.*?)"
    ),
    _pattern(r"[把将](?P<title>\S.*?)(?:加到|加入|加进|添加到|放到|记到)(?:我的|我们的)?任务(?:列表|清单)?[里中]?"),
)
RENAME = (
    _pattern(r"rename (?:my|the|this) task (?:to|as|into)?\s*(?P<title>\S.*?)"),
    _pattern(r"change (?:my|the|this) task(?:'s (?:name|title))? (?:to|into)\s+(?P<title>\S.*?)"),
    _pattern(r"change the (?:title|name)(?: of (?:my|the|this) task)? (?:to|into)\s+(?P<title>\S.*?)"),
    _pattern(
        r"[把将]?(?:我的|这个)?任务(?:的?(?:名称|标题|名字))?(?:改成|改为|改名为|改名叫|改名成|重命名为|命名为)(?P<title>\S.*?)"
    ),
)
DUE = (
    _pattern(
        r"(?:set|change|move|put|make)\s+(?:the |my )?(?:due date|due time|deadline)(?: of (?:my|the|this) task)?"
        r"(?: (?:to|for))?\s+(?P<due>\S.*?)"
    ),
    _pattern(r"(?:make )?(?:my|the|this) task (?:is )?due\s+(?P<due>\S.*?)"),
    _pattern(
        r"[把将]?(?:我的|这个)?(?:任务)?的?(?:截止日期|截止时间|期限|到期时间|到期日)(?:改到|改成|改为|设为|设置为|设成|设到|定在|定为|是|推迟到|提前到)"
        r"(?P<due>\S.*?)"
    ),
)

"""Which language a text is in, told by its script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # worker processes import this module, and ports would bring them all of Trio
    from providers.ports import Language

IDEOGRAPH = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")


def language_of(text: str) -> Language:
    """zh as soon as there is one Chinese character, else en."""
    return "zh" if IDEOGRAPH.search(text) else "en"


def without_gaps(text: str) -> str:
    """The text without the spaces that recognisers put between Chinese words; those between Latin words stay."""
    return _GAP.sub("", text.strip())


_GAP = re.compile(rf"(?<={IDEOGRAPH.pattern})\s+|\s+(?={IDEOGRAPH.pattern})")

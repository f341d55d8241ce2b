"""Times as people say them, in English and Chinese: pure, from words to a date or a moment."""

from badge.moments.finding import find, read_moment, read_span
from badge.moments.said import Said

__all__ = ["Said", "find", "read_moment", "read_span"]

"""Language models by purpose: which one answers what, who steps in, what it costs."""

from badge.config.llm import Purpose, purposes
from badge.llms.base import Llms, whole_answer

__all__ = ["Llms", "Purpose", "purposes", "whole_answer"]

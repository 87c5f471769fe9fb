"""llama.cpp: many calls in one context, each with its history in the cache.

Read `engine.py` (the Protocol), then `scheduler.py` (the loop).
"""

from agent.engines.llama.engine import Llama
from agent.engines.llama.settings import LlamaSettings

__all__ = ["Llama", "LlamaSettings"]

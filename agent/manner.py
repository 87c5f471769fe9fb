"""How one answer is made, where it differs from the call's settings. Fixed when it begins."""

from __future__ import annotations

from dataclasses import dataclass

from agent.messages import Message, Toolbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """One answer's manner. The default is the call's own."""

    instructions: str | None = None
    """Instead of the persona's."""
    max_tokens: int | None = None
    """Instead of the settings'."""
    is_spoken: bool | None = None
    """False: the answer is text alone; None: as the settings say."""
    messages: tuple[Message, ...] | None = None
    """What it is made from, instead of what was said in the call."""
    tools: Toolbox | None = None
    """The tools of the caller's client that may be asked for, instead of the call's."""
    is_kept: bool = True
    """Whether it becomes part of what was said in the call."""


AS_SET = Manner()
"""As the call's settings say."""

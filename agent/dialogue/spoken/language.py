"""What a language brings to spelling."""

from __future__ import annotations

from dataclasses import dataclass

from agent.dialogue.spoken.markup import AddressWords
from agent.dialogue.spoken.rewriting import Rule


@dataclass(frozen=True, slots=True)
class Language:
    """`rules` are applied in order, each to what the ones before it left; the last of them leave
    no digit."""

    address: AddressWords
    rules: tuple[Rule, ...]

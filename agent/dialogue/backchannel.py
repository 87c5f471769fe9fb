"""Backchannels: what a listener says to say "go on" (uh-huh, yeah, 네, 음), which is no turn.

While the agent speaks they do not stop it. All that was said must be such words and phrases, and
few of them: "yeah, I see" is a backchannel, "yeah but" and "no" are not. They may be drawn out
(uhhh, 네에) and run together (네네네, 맞아맞아).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from agent.dialogue.words import squeezed, undrawn, words

_WORDS: dict[str, frozenset[str]] = {
    "en": frozenset(
        """
        uh huh uhhuh uhuh um umm uhm mm mmm mhm mmhm mmhmm mhmm hm hmm hmmm ah aha ahh oh ohh ooh
        yeah yea yep yup yes ya ok okay okey kay right sure alright cool nice great wow really
        interesting exactly true indeed absolutely totally definitely certainly correct agreed
        gotcha good fine perfect lovely excellent amazing awesome fantastic wonderful brilliant ha
        """.split()
    ),
    "ko": frozenset(
        """
        네 넵 넹 예 응 으응 음 으음 으흠 흠 흐음 아 아하 오 오호 와 우와 어 헉 헐 하 아이고 어머
        어머나 세상에 대박 오케이 오키 굿 그래 그래요 그렇구나 그렇군요 그렇구만 그러네 그러네요
        그렇네요 그러게 그러게요 그러니까요 그니까요 그렇죠 그쵸 그죠 그렇지 그치 그런가 그런가요
        그렇습니까 그랬구나 그랬군요 그러셨군요 그럼요 당연하죠 물론이죠 맞아 맞아요 맞습니다 맞죠
        맞네 맞네요 진짜 진짜요 정말 정말요 정말로요 좋아 좋아요 좋네 좋네요 좋습니다 알겠어
        알겠어요 알겠습니다 알았어 알았어요 알았습니다 이해했어요 이해했습니다 이해돼요
        계속하세요 말씀하세요
        """.split()
    ),
}

_PHRASES: dict[str, frozenset[str]] = {
    "en": frozenset(
        """uh huh|mm hm|mm hmm|m hm|m hmm|ah ha|o k|okie dokie|okey dokey|okay then|right then
        |i see|i know|i understand|i get it|i got you|got it|i got it|i hear you|i agree|go on
        |all right|all right then|alright then|of course|that's right|that's true|that's good
        |that's great|that's nice|that's interesting|that's amazing|that is right|that is true
        |you're right|makes sense|that makes sense|fair enough|sounds good|sounds great|very good
        |very nice|very interesting|good to know|is that so|is that right|oh my|oh my god
        |my goodness""".replace("\n", "").split("|")
    ),
    "ko": frozenset(["계속 하세요", "알 것 같아요", "좋은 생각이네요"]),
}

MAX_UNITS = 4
"""More words and phrases than this are a turn, whatever they are."""


def is_backchannel(text: str, language: str) -> bool:
    """Whether all of `text` is a listener's "go on". Empty text is none."""
    spoken = [squeezed(word) for word in words(text)]
    return bool(spoken) and any(not rest for rest in _rests(spoken, language, MAX_UNITS))


def may_become_backchannel(text: str, language: str) -> bool:
    """Whether `text` is how a backchannel of several words begins: "I" of "I see", "that's" of
    "that's right". Half a word counts, for a partial transcript may end in one."""
    spoken = [squeezed(word) for word in words(text)]
    known = _known(_PHRASES, language) | _known(_WORDS, language)
    begun = {" ".join(rest) for rest in _rests(spoken, language, MAX_UNITS - 1) if rest}
    return any(each.startswith(half) and each != half for half in begun for each in known)


def _rests(spoken: list[str], language: str, units: int) -> Iterator[list[str]]:
    """What is left of the words after each beginning that is backchannels, at most `units`."""
    yield spoken
    if not spoken or not units:
        return
    if _is_known(spoken[0], _known(_WORDS, language)):
        yield from _rests(spoken[1:], language, units - 1)
    for phrase in _known(_PHRASES, language):
        parts = phrase.split()
        pairs = zip(parts, spoken, strict=False)
        if len(spoken) >= len(parts) and all(_is_known(word, {part}) for part, word in pairs):
            yield from _rests(spoken[len(parts) :], language, units - 1)


def _known(table: dict[str, frozenset[str]], language: str) -> frozenset[str]:
    return table.get(language, table["en"])


def _is_known(word: str, known: Set[str]) -> bool:
    """Said short or drawn out, once or again and again in one breath."""
    once = re.sub(r"^(.+?)\1+$", r"\1", word)
    return not known.isdisjoint((word, undrawn(word), once, undrawn(once)))

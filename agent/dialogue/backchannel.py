"""Backchannels: what a listener says to say "go on" (uh-huh, yeah, 네, 음), which is no turn.

While the agent speaks they do not stop it. Every word must be one, and few of them: "yeah" is a
backchannel, "yeah but" and "no" are not.
"""

from __future__ import annotations

import re

from agent.dialogue.words import squeezed, words

_WORDS: dict[str, frozenset[str]] = {
    "en": frozenset(
        """
        uh huh uhhuh uhuh um umm uhm mm mmm mhm mmhm mmhmm mhmm hm hmm hmmm ah aha ahh oh ohh ooh
        yeah yea yep yup yes ya ok okay okey kay right sure alright cool nice great wow really
        interesting exactly true indeed absolutely totally gotcha good fine
        """.split()
    ),
    "ko": frozenset(
        """
        네 넵 넹 네네 네에 예 예예 응 응응 으응 음 음음 으음 흠 아 아아 아하 아하하 오 오오 와
        우와 어 어어 그래 그래요 그렇구나 그렇군요 그러네 그러네요 그렇네요 그렇죠 그쵸 그죠
        그렇지 그치 맞아 맞아요 맞습니다 맞죠 진짜 진짜요 정말 정말요 좋아 좋아요 좋네요 알겠어요
        알겠습니다 알았어 알았어요 오케이 하하 헐 대박
        """.split()
    ),
}

_PHRASES: dict[str, frozenset[str]] = {
    "en": frozenset(
        """i see|i know|i understand|got it|i got it|of course|all right|that's right|that's true|
        you're right|makes sense|that makes sense|fair enough|sounds good|very good|very nice|
        is that so|oh i see|oh really|i hear you|go on|ah i see""".replace("\n", "").split("|")
    ),
    "ko": frozenset(
        ["그렇구나 네", "아 그렇구나", "아 그래요", "아 네", "그렇군요 네", "네 맞아요"]
    ),
}

_FILLERS: dict[str, frozenset[str]] = {
    "en": frozenset(["oh", "ah", "okay", "ok", "yeah", "yes", "mm", "mhm", "hm", "hmm", "uh"]),
    "ko": frozenset(["아", "네", "예", "오", "음", "응", "어"]),
}

MAX_WORDS = 4
"""More words than this are a turn, whatever they are."""


def is_backchannel(text: str, language: str) -> bool:
    """Whether all of `text` is a listener's "go on". Empty text is none."""
    spoken = [squeezed(word) for word in words(text)]
    if not spoken or len(spoken) > MAX_WORDS:
        return False
    known = _WORDS.get(language, _WORDS["en"])
    if all(word in known or _single(word) in known for word in spoken):
        return True
    fillers = _FILLERS.get(language, _FILLERS["en"])
    while len(spoken) > 1 and spoken[0] in fillers:
        if " ".join(spoken) in _PHRASES.get(language, frozenset()):
            return True
        spoken = spoken[1:]
    return " ".join(spoken) in _PHRASES.get(language, frozenset())


def may_become_backchannel(text: str, language: str) -> bool:
    """Whether `text` is how a backchannel of several words begins: "I" of "I see", "that's" of
    "that's right". Half a word counts, for a partial transcript may end in one."""
    spoken = [squeezed(word) for word in words(text)]
    fillers = _FILLERS.get(language, _FILLERS["en"])
    while len(spoken) > 1 and spoken[0] in fillers:
        spoken = spoken[1:]
    begun = " ".join(spoken)
    known = _PHRASES.get(language, frozenset()) | _WORDS.get(language, _WORDS["en"])
    return bool(begun) and any(each.startswith(begun) and each != begun for each in known)


def _single(word: str) -> str:
    """Drawn out sounds said short: `uhh` is `uh`."""
    return re.sub(r"(.)\1+", r"\1", word)

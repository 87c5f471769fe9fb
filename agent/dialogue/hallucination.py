"""Transcripts of what nobody said.

Whisper hears "Thank you." in silence and "시청해주셔서 감사합니다" in a breath: its training text
was subtitles. People say "thank you" too; so a known phrase is dropped only when there was too
little voice to have said it, and rubbish when no voice could have said it that fast.
"""

from __future__ import annotations

import re

from agent.dialogue.words import is_hangul, words

_KNOWN: dict[str, tuple[str, ...]] = {
    "en": (
        r"(?:okay |so )?(?:thank you|thanks)(?: (?:very|so) much)?(?: thank you)*",
        r"(?:thank you|thanks)(?: (?:very|so) much)? for (?:watching|listening|your time)"
        r"(?: and .*| everyone)?",
        r"(?:please )?(?:don't forget to )?(?:like and )?subscribe(?: to .*)?",
        r"(?:i'll )?see you (?:in the )?next (?:time|video)|(?:good)?bye(?: (?:good)?bye)*|bye bye",
        r"(?:subtitles|transcription|captions|translated) by .*|you|the end|amara org|music|silence"
        r"|applause|laughter|i'm sorry|so|oh|hmm|(?:the|a|an|and|of|in)(?: (?:the|a))*",
    ),
    "ko": (
        r"시청해 ?주셔서 감사합니다|시청 ?해 ?주셔서 고맙습니다|감사합니다|고맙습니다",
        r"구독(?:과|이랑)? ?좋아요.*|구독(?:과)? .*부탁.*",
        r"다음 ?(?:영상|시간)에(?:서)? ?(?:만나요|뵙겠습니다|봬요)",
        r"(?:한글 ?)?자막 ?(?:제공|제작|by).*|(?:MBC|KBS|SBS|YTN) ?뉴스.*|.*뉴스 .*기자입니다",
        r"이덕영입니다|영상편집.*",
        r"끝|아멘|음악|박수|안녕히 계세요|수고하셨습니다|네|아|어|음",
    ),
}

MAX_SYLLABLES_PER_SECOND = 11.0
"""Faster than this nobody speaks (fast English and Korean are at 7 to 8)."""
KNOWN_SYLLABLES_PER_SECOND = 9.0
"""A phrase known to be hallucinated needs the voice of somebody who says it, be it in haste."""
SPARSE_SYLLABLES_PER_SECOND = 1.3
"""Slower than this nobody speaks while there is voice: murmurs of a room, of which a word or two
were made. Counts from two seconds of voice, when the recogniser doubts what it understood."""
KNOWN_SLOWEST = 2.0
"""Syllables per second under which nobody says such a phrase: a word or two made of a babble."""
UNSURE_CONFIDENCE = 0.4
"""Under this confidence a known phrase needs 2.5 times the voice, though no more than a slow
speaker's, and a lone letter is rubbish."""
FAINT_CERTAINTY = 0.85
"""Of 57 recorded callers the voice of 56 is surer than this at some moment, in noise half as loud
too, and that of one recorded babble never. A doubtful transcript of such a voice is nobody's."""
FAINT_SECONDS = 0.4
"""Seconds of voice from which that holds: a digit said alone may stay under it."""
SHORT_CONFIDENCE, SHORT_CERTAINTY = 0.15, 0.75
"""Under both, a short one counts as well: nobody believes anything of it."""
MAX_REPEATS = 4
"""As many times the same words in a row are a decoder in a loop."""


def is_hallucination(
    text: str,
    language: str,
    confidence: float = 1.0,
    speech_seconds: float = 0.0,
    certainty: float = 1.0,
) -> bool:
    """Whether `text` was most likely never said.

    `confidence`: the recogniser's, 0..1; `speech_seconds`: voiced audio in the utterance;
    `certainty`: the highest probability of a voice in it.
    Text without a word is one.
    """
    said = words(text)
    if not said:
        return True
    syllables = sum(_syllables(word) for word in said)
    if syllables > 3 and syllables > MAX_SYLLABLES_PER_SECOND * (speech_seconds + 0.2):
        return True
    if _repeats(said, speech_seconds):
        return True
    unsure = confidence < UNSURE_CONFIDENCE
    if speech_seconds >= FAINT_SECONDS:
        is_faint = unsure and certainty < FAINT_CERTAINTY
    else:
        is_faint = confidence < SHORT_CONFIDENCE and certainty < SHORT_CERTAINTY
    if is_faint:
        return True
    if unsure and speech_seconds >= 2 and syllables < SPARSE_SYLLABLES_PER_SECOND * speech_seconds:
        return True
    if len(said) == 1 and len(said[0]) == 1 and said[0].isascii() and said[0].isalpha():
        return speech_seconds < (0.3 if unsure else 0.12)
    if _known(" ".join(said), language):
        needed = syllables / KNOWN_SYLLABLES_PER_SECOND * (2.5 if unsure else 1)
        is_slow = unsure and speech_seconds > syllables / KNOWN_SLOWEST
        return speech_seconds < needed or is_slow
    return speech_seconds < 0.06


def _known(line: str, language: str) -> bool:
    patterns = _KNOWN.get(language, ())
    return any(re.fullmatch(pattern, line, re.IGNORECASE) for pattern in patterns)


def _repeats(said: list[str], speech_seconds: float) -> bool:
    """One to four words again and again: all of the text, too fast or too often."""
    for size in range(1, 5):
        unit, times = said[:size], len(said) // size
        if times >= MAX_REPEATS and unit * times == said[: size * times] and len(said) % size == 0:
            rate = sum(_syllables(word) for word in said) / max(speech_seconds, 0.1)
            digits = all(len(word) == 1 or word.isdigit() for word in unit)
            return not digits and (times >= 3 * MAX_REPEATS or rate > 5.0)
    return False


def _syllables(word: str) -> int:
    """Syllables of a word, roughly: Hangul syllables, groups of vowels, digits one each."""
    if any(is_hangul(c) for c in word):
        return sum(is_hangul(c) for c in word)
    if word.isdigit():
        return len(word)
    return max(1, len(re.findall(r"[aeiouy]+", word.removesuffix("e"))))

"""Words as recognisers give them, made comparable: lower case, punctuation off, NFC.

The one place that knows how the dialogue's tables look at a text.
"""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words(text: str) -> list[str]:
    """The words of `text`, lower case, apostrophes straight, hyphens and punctuation left out."""
    plain = unicodedata.normalize("NFC", text).lower().replace("’", "'")
    return list(_WORD.findall(plain))


def squeezed(word: str) -> str:
    """`word` with letters said longer cut to two: `uhhhh` is `uhh`, `음음음` is `음음`."""
    return re.sub(r"(.)\1{2,}", r"\1\1", word)


def is_hangul(character: str) -> bool:
    """Whether it is a precomposed Hangul syllable."""
    return "가" <= character <= "힣"


def final_consonant(syllable: str) -> str:
    """The final consonant (batchim) of a Hangul syllable; empty when it has none."""
    if not is_hangul(syllable):
        return ""
    return _FINALS[(ord(syllable) - ord("가")) % 28].strip()


_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
"""In the order of Unicode's syllables (The Unicode Standard, 3.12)."""

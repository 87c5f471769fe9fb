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


def undrawn(word: str) -> str:
    """`word` with its drawn out sounds said short: `uhh` is `uh`, `네에` is `네`.

    Letters that are double by right are lost, too: `good` is `god`."""
    short = re.sub(r"(.)\1+", r"\1", word)
    pairs = zip(" " + short, short, strict=False)
    return "".join(each for before, each in pairs if not _prolongs(each, before))


def _prolongs(syllable: str, before: str) -> bool:
    """Whether it is but the vowel that the syllable before ends in, said on."""
    if not (is_hangul(syllable) and is_hangul(before)):
        return False
    consonant, vowel = divmod((ord(syllable) - ord("가")) // 28, len(_VOWELS))
    is_bare = consonant == _SILENT and not final_consonant(syllable)
    ends = (ord(before) - ord("가")) // 28 % len(_VOWELS)
    return is_bare and not final_consonant(before) and _VOWELS[ends] == _VOWELS[vowel]


def is_hangul(character: str) -> bool:
    """Whether it is a precomposed Hangul syllable."""
    return "가" <= character <= "힣"


def final_consonant(syllable: str) -> str:
    """The final consonant (batchim) of a Hangul syllable; empty when it has none."""
    if not is_hangul(syllable):
        return ""
    return _FINALS[(ord(syllable) - ord("가")) % 28].strip()


_VOWELS = "ㅏㅐㅏㅐㅓㅐㅓㅐㅗㅏㅐㅐㅗㅜㅓㅐㅣㅜㅡㅣㅣ"
"""What Unicode's vowels (ㅏㅐㅑㅒㅓㅔ…) end in, in their order, ㅐ and ㅔ being one to the ear."""
_SILENT = 11
"""The place of ㅇ among the initial consonants."""
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
"""In the order of Unicode's syllables (The Unicode Standard, 3.12)."""

"""Which questions anybody might ask: their answer may serve another caller.

What speaks of the caller, names a number that could be theirs, or asks about this moment is not
general. In doubt it is not: a question too many that is answered anew costs half a second.
"""

from __future__ import annotations

import re
import unicodedata

_IDIOMS = re.compile(
    r"\b(?:can|could|may|do|did|should|would|where|how|what|when) (?:can |do |could |should )?i\b"
    r"|\b(?:tell|give|show|help|let) me\b|\blet's\b|\bus dollars?\b"
    r"|\bi (?:would|'d) like to (?:know|ask)\b|\bi(?:'d| would) like to (?:know|ask)\b"
)
_PERSONAL = re.compile(
    r"\b(?:i|i'm|i've|i'd|i'll|me|my|mine|myself|we|we're|we've|us|our|ours)\b"
    r"|(?:^|\s)(?:내|내가|나|나는|난|나한테|나의|제|제가|저|저는|전|저의|저한테|저희\S*|우리\S*)(?=\s|$)"
    r"|(?:^|\s)(?:제|내)\s(?:이름|번호|주문|예약|계정|전화|주소|카드)"
)
_OF_THE_MOMENT = re.compile(
    r"\b(?:now|today|tonight|tomorrow|yesterday|current|currently|latest|this (?:week|month|year)"
    r"|right now|what time is it|the time)\b"
    r"|지금|오늘|내일|어제|모레|현재|최근|방금|이번\s?(?:주|달|해)|몇\s?시"
)
_REFERRING = re.compile(r"\b(?:that|those|it again|you said)\b|아까|방금|그거|그건|그게|그럼")
_NUMBER = re.compile(r"(?:\d[\s.-]*){4,}|\S+@\S+")


def is_general(question: str) -> bool:
    """Whether an answer to `question`, asked first in a call, may be given to another caller."""
    text = unicodedata.normalize("NFKC", question).casefold().replace("\u2019", "'").strip()
    if not text or _NUMBER.search(text) or _OF_THE_MOMENT.search(text) or _REFERRING.search(text):
        return False
    return _PERSONAL.search(_IDIOMS.sub(" ", text)) is None


def asked(question: str) -> str:
    """The question without what does not change it: case, punctuation, spaces, composition."""
    text = unicodedata.normalize("NFKC", question).casefold()
    words = "".join(
        " " if unicodedata.category(character)[0] in "PZ" and character != "'" else character
        for character in text.replace("\u2019", "'")
    )
    return " ".join(words.split())

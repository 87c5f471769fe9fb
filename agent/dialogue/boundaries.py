"""Where a text may be cut for speech: ends of sentences, ends of clauses, in English and Korean.

Pure functions over a text of which more may still come. A cut is the index at which the next piece
begins, so spaces stay with the piece before it. An answer given for a beginning of a text never
changes when more of the text arrives: where the next characters matter and are not there yet, no
cut is reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

OPENERS = "\"'“‘(（[【「『《〈*_~`"
CLOSERS = "\"'”’)）]】」』》〉*_~`"
_TERMINATOR = re.compile(r"[.!?…。！？．｡]+")
_NEWLINE = re.compile(r"[ \t]*\n\s*")
_FENCE = re.compile(r"^[ \t]*(```|~~~)", re.MULTILINE)
_LAST_TOKEN = re.compile(r"\S+\Z")
_LIST_MARKER = re.compile(r"(?:\A|\n)\s*(?:[#>*•-]+\s+)?\(?(?:\d{1,3}|[A-Za-z])[.)]\Z")
_HANGUL = re.compile(r"[가-힣]")
_FULL_WIDTH = frozenset("。！？．｡")
_NEXT_WORD = re.compile(r"[^\W\d_]{1,12}(?:['’][^\W\d_]{1,3})?(?=[^\w'’])")
_CLAUSE_MARKS = (",", ";", ":", "，", "、", "；", "：", "—", "–")
_CLOSERS_READ = 8

LOOKAHEAD = 40
"""Characters after a cut, spaces left out, that always suffice to decide it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a language adds to the common rules. Words in lower case, without their full stop."""

    never_final: frozenset[str]
    """Abbreviations that always lead to a next word."""
    maybe_final: frozenset[str]
    """Abbreviations that may end a sentence: they do before a word of `starters`."""
    starters: frozenset[str]
    """Words that begin a sentence more likely than they follow an abbreviation."""
    conjunctions: frozenset[str]
    """Words before which a clause ends."""
    clause_endings: tuple[str, ...]
    """Endings of a word after which a clause ends."""
    clinging: frozenset[str]
    """Words that belong to the next one: no clause ends after them."""


ENGLISH = Rules(
    never_final=frozenset(
        "mr mrs ms mx dr prof rev fr hon pres gov sen rep gen col capt lt sgt maj cmdr mt "
        "vs e.g i.e eg ie cf viz no nos vol fig figs approx ca al dept est tel ext pp p ed eds "
        "messrs mmes".split()
    ),
    maybe_final=frozenset(
        "etc inc ltd co corp llc jr sr bros st ave blvd rd ph.d hr hrs lb lbs oz ft yr yrs jan feb "
        "apr jun jul aug sep sept oct nov dec tue tues thu thur thurs fri".split()
    ),
    starters=frozenset(
        "the a an i i'm i'll i'd i've we you he she it they this that these those there here what "
        "when where who why how which is are was were do does did can could will would should may "
        "and but so or if in on at for as my your our their his her its please let yes no "
        "then now also however after before while it's that's you're we're what's there's let's "
        "not maybe sure okay".split()
    ),
    conjunctions=frozenset(
        "and but or so because since although though while whereas unless until if when where "
        "which who that whether".split()
    ),
    clause_endings=(),
    clinging=frozenset(
        "a an the of to in on at by for with from into as and or but so my your our their his her "
        "its this that these those is are was were be been am i we you he she it they not no very "
        "can could will would should may might must do does did have has had i'm i'll you're "
        "mr mrs ms dr prof about than any some every each all".split()
    ),
)
KOREAN = Rules(
    never_final=ENGLISH.never_final,
    maybe_final=ENGLISH.maybe_final,
    starters=ENGLISH.starters,
    conjunctions=frozenset(
        "그리고 그런데 하지만 그래서 그러나 그러면 그러니까 또는 또한 다만".split()
    ),
    clause_endings=tuple(
        "는데 은데 인데 지만 니까 면서 아서 어서 해서 셔서 으면 하면 라면 려면 시면 되면 하고 되고 "
        "이고 하며 습니다 입니다 니다 세요 어요 아요 해요 네요 군요 지요 이죠 까요 데요 예요 에요 "
        "나요 어도 아도 해도 때문에 는지 도록".split()
    ),
    clinging=frozenset(
        "이 그 저 제 내 안 못 잘 더 또 꼭 약 총 제일 가장 아주 매우 너무 정말".split()
    ),
)
_RULES = {"en": ENGLISH, "ko": KOREAN}


def rules_of(language: str) -> Rules:
    """The rules of `language` (ISO 639-1, perhaps with a region); English's when it is unknown."""
    return _RULES.get(language.split("-")[0].lower(), ENGLISH)


def open_fence(text: str) -> bool:
    """Whether the text ends inside a fenced code block, which is never cut."""
    return len(_FENCE.findall(text)) % 2 == 1


def sentence_ends(text: str, rules: Rules) -> Iterator[int]:
    """Where sentences end, in order; only ends that no further text can undo."""
    for match in re.finditer(f"{_TERMINATOR.pattern}|{_NEWLINE.pattern}", text):
        if match.end() == len(text):
            return
        cut = _sentence_cut(text, match, rules)
        if cut and not open_fence(text[:cut]):
            yield cut


def _sentence_cut(text: str, match: re.Match[str], rules: Rules) -> int | None:
    if "\n" in match.group():
        return match.end() if match.start() else None
    at = match.end()
    last = min(len(text), at + _CLOSERS_READ)
    while at < last and text[at] in CLOSERS and not _opens(text, at):
        at += 1
    if at + 1 == len(text) and text[at] in CLOSERS:
        return None  # whether it closes or opens is told by the next character
    following = _skip_spaces(text, at)
    if following == len(text):
        return None
    if following == at and not _ends_without_space(text, match, at):
        return None
    if match.group() in {".", "．"} and not _full_stop(text, match, following, rules):
        return None
    if _continues(text, match, following):
        return None
    return following


def _opens(text: str, at: int) -> bool:
    """A quote or a marker after a sentence's end opens the next when a letter follows it."""
    closes_word = at + 1 < len(text) and not text[at + 1].isalnum()
    return not closes_word and text[at] in OPENERS


def _ends_without_space(text: str, match: re.Match[str], at: int) -> bool:
    """Full-width marks need no space after them, and Korean writers often leave it out."""
    if match.group()[-1] in _FULL_WIDTH:
        return True
    before = text[match.start() - 1 : match.start()]
    return bool(_HANGUL.match(before) and _HANGUL.match(text, at))


def _continues(text: str, match: re.Match[str], following: int) -> bool:
    """A small letter after it: the sentence goes on (`Yahoo! is`, `"Really?" he said`). After a
    quote that opens the letter is still to come."""
    at = following
    while at < len(text) and text[at] in OPENERS:
        at += 1
    may_go_on = at == len(text) or text[at].islower()
    return may_go_on and match.group()[-1] not in _FULL_WIDTH


def _full_stop(text: str, match: re.Match[str], following: int, rules: Rules) -> bool:
    """Whether a single full stop ends its sentence."""
    if _LIST_MARKER.search(text, 0, match.end()):
        return False
    token = _LAST_TOKEN.search(text, 0, match.start())
    word = token.group().lstrip(OPENERS).lower() if token else ""
    if word in rules.never_final:
        return word == "no" and not text[following].isdigit()
    if word in rules.maybe_final or re.fullmatch(r"(?:[a-z]\.)+[a-z]", word):
        return _starts_sentence(text, following, rules)
    if len(word) == 1 and word.isascii() and word.isalpha() and word != "i":
        return _starts_sentence(text, following, rules)
    return True


def _starts_sentence(text: str, at: int, rules: Rules) -> bool:
    if _HANGUL.match(text, at):
        return True
    word = _NEXT_WORD.match(text, at)
    return bool(word and word.group()[0].isupper() and word.group().lower() in rules.starters)


def _skip_spaces(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def clause_ends(text: str, rules: Rules) -> Iterator[int]:
    """Where clauses end inside a sentence, in order: after a comma or the like, before a
    conjunction, after a connective ending. Never inside a number, an abbreviation or a URL."""
    for match in re.finditer(r"(\S+)(\s+)(?=(\S+)(\s)?)", text):
        word, cut = match.group(1), match.end()
        if "\n" in match.group(2) or open_fence(text[:cut]):
            continue
        if _ends_clause(word, match.group(3), bool(match.group(4)), rules):
            yield cut


def _ends_clause(word: str, following: str, following_complete: bool, rules: Rules) -> bool:
    bare = word.rstrip(CLOSERS)
    if bare.endswith(_CLAUSE_MARKS) and len(bare) > 1:
        return not (bare[-2].isdigit() and following[0].isdigit())
    if word in {"—", "–", "-"}:
        return not following[0].isdigit()
    if not _may_part(word, following, rules):
        return False
    if bare.endswith(rules.clause_endings) and len(bare) > 2:
        return True
    return following_complete and following.lower() in rules.conjunctions


def is_marked(clause: str, rules: Rules) -> bool:
    """Whether a clause shows its end itself, by a comma or an ending, and not by what follows."""
    bare = clause.rstrip().rstrip(CLOSERS)
    return bare.endswith(_CLAUSE_MARKS) or bare.endswith(rules.clause_endings)


def word_ends(text: str, rules: Rules) -> Iterator[int]:
    """Where words end that do not cling to the next one, in order."""
    for match in re.finditer(r"(\S+)(\s+)(?=(\S+))", text):
        if _may_part(match.group(1), match.group(3), rules) and not open_fence(text[: match.end()]):
            yield match.end()


def _may_part(word: str, following: str, rules: Rules) -> bool:
    """Whether a pause between the two words breaks no number, abbreviation, title or phrase."""
    bare = word.strip(OPENERS + CLOSERS).lower()
    if bare in rules.clinging or bare.rstrip(".") in rules.never_final:
        return False
    if not bare or bare.endswith(".") or (bare[-1].isdigit() and not bare.endswith(",")):
        return False
    return not (bare[0] in "$€£₩¥#+" or following[0] in "—–-%&/+)]")


def weight(text: str) -> float:
    """How much there is to speak, in English words; two Hangul syllables are worth one."""
    syllables = len(_HANGUL.findall(text))
    words = sum(any(char.isalnum() for char in word) for word in _HANGUL.sub(" ", text).split())
    return words + syllables / 2

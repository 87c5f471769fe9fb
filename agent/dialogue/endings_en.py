"""What the last English words say of the turn's end.

English says little at the end of a sentence and much at the end of an unfinished one: nothing
ends in "the" or "because". So the tables list what cannot end a sentence, and the few shapes that
are whole for certain; the rest stays unsure.
"""

from __future__ import annotations

import re

from agent.dialogue.clauses_en import SUBORDINATORS, clause
from agent.dialogue.reading import Reading, complete, unfinished, unsure
from agent.dialogue.words import squeezed

_HESITATIONS = frozenset("um umm uh uhh uhm er err erm eh hm hmm mm ah em".split())

_NEVER_LAST = frozenset(
    # Articles, possessives, determiners
    """a an the my your our their its every each another whose
    and or but nor because if unless although though while whereas whether until than since when
    whenever wherever as that's who's what's where's there's here's let's
    of to from with without for at into onto between among during against toward towards upon via
    per regarding concerning including plus versus like except despite beside besides
    i'm you're we're they're it's he's she's i've you've we've they've i'd you'd we'd he'd she'd
    they'd i'll you'll we'll they'll he'll she'll it'll that'll
    very quite gonna wanna gotta kinda sorta i we he she they""".split()
)
"""Words that a sentence does not end in."""

_STRANDED = frozenset("of to from with for at into without between against about in on by".split())
"""Prepositions that end a question ("where are you from") or a clause ("what it is for")."""

_GOALS = frozenset("to of from at into between".split())
"""Those of them that end a question only when it asks for what they lead to."""

_WH_WORDS = frozenset("who whom what where which who's what's where's whose".split())

_BEFORE_CLAUSE = frozenset("what which who whom why how where".split())
"""Question words that a sentence may end in ("they didn't say why") and a clause mostly follows."""

_PARTICLES = frozenset("in on by with from for".split())
"""Those of them that a statement or a command may end in ("turn it on", "what it is for")."""

_AUXILIARIES = frozenset(
    """is are was were am be been being has have had do does did will would can could should shall
    cannot may might must isn't aren't wasn't weren't""".split()
)

_PRONOUNS = frozenset("i you he she it we they this that there who".split())
_BEFORE_THAT = frozenset("is was said says think thought know believe so sure mean hope".split())
_BEFORE_SUBJECT = _AUXILIARIES | frozenset("if when because and but or so while unless".split())
_BEFORE_PARTICLE = frozenset(
    "me you him her it us them this that these those log come sign go hold is are was".split()
)

_OPENERS = re.compile(
    r"(?:.* )?(?:"
    r"i (?:want|need|want to|need to|have to|like to|would like|would like to|was wondering"
    r"|was wondering if|think|mean|meant|guess|know that|believe|wanted|wanted to)"
    r"|(?:under|in) the name(?: of)?"
    r"|i'd (?:like|like to|love|love to|rather|prefer)"
    r"|(?:can|could|may|will|would) (?:i|you|we|he|she|they)(?: please| just| also)?"
    r"|(?:can|could|may) (?:i|we) (?:get|have|order|ask|speak|talk)"
    r"|(?:can|could|would) you (?:please )?(?:tell|give|send|help me with|let|show|find|get)"
    r"|(?:please )?(?:tell|give|send|show|get) me|let me|i am|we are|going|trying"
    r"|(?:do|does|did) (?:you|they|we|he|she|it) (?:have|want|need|know|like|offer|take)"
    r"|(?:know|wonder|wondering|sure|see|me|ask) (?:what|how|where|when|why|which)"
    r"|(?:idea|clue|remember|forget|forgot|understand|decide|explain|check) (?:what|which|who|when)"
    r"|(?:what|how) (?:about|do|does|did|kind|much|many)"
    r"|and then|you know|sort|kind|because|actually|basically|also|maybe|not only"
    r")|so|well|(?:my|the) (?:name|number|address|problem|question|thing|reason)"
)
"""Beginnings that nothing has followed yet."""

_ASKING = re.compile(r"(?:can|could|may|will|would|do|does|did|so|well) ")

_PREMODIFIERS = frozenset(
    """really too more less most least other different same new old big small large medium next
    last first second third fourth some any no only just about around almost nearly approximately
    double triple dear mister mr mrs ms doctor dr saint in on by so or""".split()
)
"""Words that mostly have another after them."""

_BEFORE_NOUN = frozenset("any some other mister mr mrs ms dr doctor saint nearly almost".split())
"""Those of them that even a question seldom ends in."""

_WHOLE = frozenset(
    """yes no yeah yep yup nope nah okay ok sure alright right hello hi hey bye goodbye thanks
    please stop cancel help correct exactly absolutely definitely never always nothing everything
    great perfect good fine wonderful repeat continue next back quit operator""".split()
)
"""Answers and commands of one word."""

_CLOSERS = re.compile(
    r"(?:.* )?(?:please|thanks|thank you|thank you very much|thanks a lot|thank you so much"
    r"|that's it|that's all|that is all|that will be all|that'll be all|nothing else|no thank you"
    r"|you too|as well|goodbye|bye|bye bye|i think so|i don't know|i guess so|never mind|of course"
    r"|not really|not yet|i don't|i'm not|it isn't|i can't|i hope so|i guess so|i suppose so"
    r"|right now|today|tomorrow|yesterday|tonight|this morning|this afternoon|this evening"
    r"|this week|next week|o'clock|[ap] m|pm|noon|midnight|is it|isn't it|right|okay|not at all"
    r"|(?:tomorrow|(?:mon|tues|wednes|thurs|fri|satur|sun)day) (?:morning|afternoon|evening|night)"
    r"|i don't think so|i think not|sounds good|it depends|doesn't matter|go ahead|yeah sure"
    r"|(?:that's|that is|it's|it is) (?:not )?(?:correct|wrong|true|fine|good|great|perfect|broken)"
    r"|(?:that'll|that will|that would|that'd) be (?:fine|good|great|perfect|lovely)"
    r"|(?:cancel|repeat|stop|undo|delete) (?:that|it|this)|start over|try again)$"
)
_SHORT_ANSWER = re.compile(
    r"(?:yes|yeah|no|nope|sure|of course|so|me too)?(?: ?(?:i|you|we|he|she|it|they|that|there)"
    r" (?:am|are|is|was|were|do|does|did|have|has|had|can|could|will|would|should"
    r"|don't|doesn't|didn't|can't|won't|isn't|aren't|haven't))"
)

_QUESTION = re.compile(
    r"(?:(?:so|and|but|okay|well|um|uh|oh|hi|hello|hey|excuse me|sorry|please) )*(?:"
    r"(?:what|who|how|which|whose|what's|who's|where's|how's|when's) (?:\S+ )*\S+"
    r"|(?:where|when|why) (?:is|are|am|was|were|do|does|did|have|has|can|could|will|would|should"
    r"|don't|doesn't|didn't|can't|isn't|aren't|not) (?:\S+ )*\S+"
    r"|(?:is|are|am|was|were|do|does|did|have|has|can|could|will|would|should|may|shall|isn't"
    r"|aren't|don't|doesn't|didn't|can't|couldn't|won't|wouldn't|shouldn't)"
    r" (?:i|you|he|she|it|we|they|there|this|that|these|those|the|my|your|our|anyone|somebody"
    r"|someone) (?:\S+ )*\S+)"
)


def ending(said: list[str], mark: str) -> Reading | None:
    """The reading by the last of the words `said`; None: they say nothing.

    `mark`: the name of its closing punctuation, such as "question"; empty: none.
    """
    last, line = squeezed(said[-1]), " ".join(said)
    if last in _HESITATIONS:
        return unfinished(f"hesitation: {last}") if len(said) > 1 or last != "mm" else None
    if len(said) == 1 and last in _WHOLE:
        return complete(f"a whole answer: {last}")
    if len(said) <= 4 and _SHORT_ANSWER.fullmatch(line):
        return _short_answer(said)
    question = mark == "question" or (len(said) >= 3 and _QUESTION.fullmatch(line) is not None)
    if shape := _shape(said, last, line, question):
        return shape
    if _CLOSERS.fullmatch(line):
        return complete("a closing phrase")
    if open_end := _open_end(said, last, question):
        return open_end
    if question:
        if last in _BEFORE_NOUN:
            return unsure(f"more may follow: {last}")
        return complete("question")
    if last in _PREMODIFIERS and said[0] not in SUBORDINATORS:
        return unsure(f"more may follow: {last}")
    return clause(said)


def _short_answer(said: list[str]) -> Reading:
    if len(said) > 2:
        return complete("a short answer")
    return unsure(f"a short answer or a beginning: {' '.join(said)}")


def _shape(said: list[str], last: str, line: str, question: bool) -> Reading | None:
    """The whole line, when it is a beginning that wants something after it."""
    before = said[-2] if len(said) > 1 else ""
    if _OPENERS.fullmatch(line) and (not question or _ASKING.match(line)):
        return unfinished(f"a beginning: … {' '.join(said[-3:])}")
    if len(said) == 2 and last in ("you", "it") and before in _BEFORE_SUBJECT:
        return unfinished(f"a beginning: {before} {last}")
    if len(said) == 3 and _ASKING.match(line) and said[1] == "you":
        return unsure("a question that may want an object")
    return None


def _open_end(said: list[str], last: str, question: bool) -> Reading | None:
    """The last word, when a sentence does not end in it."""
    before = said[-2] if len(said) > 1 else ""
    if last in _GOALS and question and not _WH_WORDS.intersection(said):
        return unfinished(f"open end: {last}")
    if said[0] in SUBORDINATORS and not question and last in _PARTICLES:
        return None
    if last in _STRANDED and (question or (before in _BEFORE_PARTICLE and last in _PARTICLES)):
        return unsure(f"a preposition left alone: {last}")
    if last == "like" and said[0].startswith(("what", "how", "who")):
        return None
    if last in _BEFORE_CLAUSE and len(said) > 2:
        return unsure(f"more may follow: {last}")
    if last == "that" and before in _BEFORE_THAT and not question:
        return unfinished(f"open end: {before} that")
    if last in _AUXILIARIES and before:
        return _auxiliary(said, last, before, question)
    if last in _NEVER_LAST | _PARTICLES | {"about"}:
        return unfinished(f"open end: {last}")
    return None


def _auxiliary(said: list[str], last: str, before: str, question: bool) -> Reading | None:
    """Whole: what time it is. Not whole: my name is."""
    if before == "to":
        return unsure(f"ends in to {last}")
    if before in _PRONOUNS and question:
        return None
    if before in _PRONOUNS and len(said) > 3:
        return unsure(f"ends in {last}")
    return unfinished(f"open end: {last}")

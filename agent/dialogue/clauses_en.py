"""Whether an English line without punctuation holds a whole clause.

No parser: a finite verb is known by a list, and a clause is a subject before it and something
after it. Good enough to tell "the conference has been extended" from "the conference".
"""

from __future__ import annotations

from agent.dialogue.reading import Reading, complete, unfinished

_VERBS = frozenset(
    """is are was were am isn't aren't wasn't weren't has have had hasn't haven't hadn't do does did
    don't doesn't didn't will won't would wouldn't can cannot can't could couldn't should shouldn't
    may might must i'm you're we're they're it's he's she's that's there's what's who's i've you've
    we've they've i'd you'd we'd they'd he'd she'd i'll you'll we'll they'll he'll she'll it'll
    want wants wanted need needs needed like likes liked love loves know knows knew think thinks
    thought feel feels felt see sees saw hear heard say says said tell tells told ask asks asked
    go goes went come comes came get gets got gave give gives take takes took make makes made put
    find finds found lost lose keep keeps kept leave leaves left live lives lived work works worked
    call calls called pay paid buy bought bring brought send sent order ordered book booked cancel
    cancelled try tries tried use uses used help helps helped start starts started stop stops
    stopped seem seems seemed look looks looked happen happens happened exist exists broke breaks
    failed fails forgot forget forgets hope hopes wish wishes believe believes remember remembers
    mean means meant cost costs wrote read lets let moved changed arrived received ran runs met
    meets sounds stays stayed waited opened closes closed opens ate drank slept learned says sat
    stood fell won sold built spent cut grew drew drove rode flew began became become""".split()
)
_COMMANDS = frozenset(
    """press say enter dial call play set turn put open close start stop show tell give send find
    get book order cancel change check read add remind schedule transfer connect repeat hang record
    wait look make take bring try leave let go come help keep move delete save erase switch remove
    increase decrease raise lower skip search write explain describe translate spell ask listen
    buy pay update reset restart unlock lock mute""".split()
)
SUBORDINATORS = frozenset(
    "if when whenever while although though unless once before after until whereas".split()
)
_LEADS = frozenset(
    """and so well okay ok yes yeah no but please then um uh also oh hi hello sorry actually maybe
    now just first""".split()
)
_ADVERBS = frozenset("not never always still just also really already probably only".split())
_TRANSITIVE = frozenset(
    """want need give tell put bring send enter press get take make buy find wish dial set open
    erase rubout add change""".split()
)


def clause(said: list[str]) -> Reading | None:
    """The reading of a line whose last word may end a sentence; None: no clause."""
    line = list(said)
    while len(line) > 1 and line[0] in _LEADS:
        line = line[1:]
    last, verbs = line[-1], [i for i, word in enumerate(line) if word in _VERBS]
    if last in _ADVERBS and len(line) > 1 and line[-2] in _VERBS:
        return unfinished(f"open end: {line[-2]} {last}")
    if last in _TRANSITIVE and "what" not in line:
        return unfinished(f"wants an object: {last}")
    if line[0] in SUBORDINATORS:
        if len(verbs) < 2:
            return unfinished(f"a clause that another follows: {line[0]} …")
        return None
    if line[0] in _COMMANDS and len(line) >= 3:
        return complete(f"a command: {line[0]} …")
    begins = verbs[0] if verbs else len(line)
    has_subject = begins > 0 or "'" in line[0]
    if has_subject and begins < len(line) - 1 and len(line) >= 4:
        return complete("a whole clause")
    return None

"""The last English words: restarts, beginnings, tag questions, prepositions left alone."""

from __future__ import annotations

import pytest

from agent.dialogue.completeness import Completeness, classify

COMPLETE = """
    yes that's right
    yes that's correct
    no that's wrong
    that's correct
    that sounds good
    sounds good
    yeah sure
    yeah go ahead
    not at all
    i'm fine thanks
    i don't think so
    it depends
    it doesn't matter
    that'll be fine
    that would be great
    you're right, aren't you
    it's cold today isn't it
    you can do that can't you
    that's the one, right
    is that okay
    can you hear me
    can you hear me now
    can you help me
    could you help me please
    what do you mean
    what did you say
    say that again please
    who is this
    how are you
    how's it going
    when do you close
    what time do you close
    what are your opening hours
    where's the nearest station
    where can i park
    do you take cards
    do you have decaf
    is it far
    are you sure
    can i pay by card
    can i speak to a human
    i want to cancel my order
    i want to cancel it
    i'd like to speak to someone
    i'd like to make a reservation for tomorrow
    i'd like a coffee please
    i'd like to order two pizzas please
    my order hasn't arrived
    my card was declined
    my name is john smith
    my name is sarah
    i'm calling about my bill
    i need help with my account
    it's broken
    i lost my card
    i forgot my password
    at five thirty pm
    on monday morning
    tomorrow at noon
    i live at twelve oak avenue
    cancel that
    cancel my subscription
    never mind thanks
    start over
    i want to start over
    can you turn it up
    turn the volume down
    wake me up at seven tomorrow morning
    remind me to call mum tomorrow
    what's two plus two
    tell me a joke
    no i didn't
    yes we do
    yes of course
    no not today
    i'd like a table for two
    i'd like a coffee
    i'd like two coffees
    i want a pizza
    is that possible
    would that be possible
"""

UNFINISHED = """
    i'd like a
    i'd like to book a table for two and
    i want to order the
    can you
    can you tell me where the
    could you please
    can i have a
    can i get the same as
    i want to go from boston to
    from boston to
    i'm looking for
    i'm calling about
    i'm calling because
    because
    it's because the
    the thing is
    what i mean is
    what i want is
    i was going to ask if
    do you know whether
    do you happen to know if
    so what i'd like is
    and also
    and i was wondering
    but
    or
    no wait i
    no i meant
    i want i want
    i'd like to to
    the the
    if it's possible
    if i cancel now
    when i try to log in
    whenever i open the app
    after i pressed the button
    i tried to
    i've been trying to
    i've been waiting for
    he said that
    they told me to
    there's a
    there is something wrong with the
    it says that
    on the
    with a
    for my
    to the
    i'd like to, um
    let me think uh
    my address is
    my date of birth is
    my order number is
    it's under the name
    send it to
    could you send it to
    i live on
    i need to change my
    i'm not sure if
    i don't know if
    do you have any idea what
    i can't remember which
    i don't understand what
    i don't know how to
    how do i
    where do i
    what if
    what about
    is there a
    do you have a
    would it be possible to
    would you be able to
    if you want more
    do you deliver to
    can i talk to
    is that in between
"""

UNSURE = """
    i have no idea how
    they didn't say why
    can you explain why
    do you know who
    i'm not sure
    who am i talking to
    do you deliver
    it won't start
    it's not working
    at half past seven
    i'd like a large
    is there any
    are there any
    do you have any
    two
    a large latte
    with milk
    in the morning
    john smith
    boston
    main street
    twelve oak avenue
    seven thirty
    half past
    a table for two
    a coffee and a bagel
    with oat milk
    for four people
    the red one
    from boston to new york
    sometimes
    press two
    call back
    at five
    at ten
    is that something you can help with
"""


def cases() -> list[tuple[Completeness, str]]:
    tables = {
        Completeness.COMPLETE: COMPLETE,
        Completeness.UNFINISHED: UNFINISHED,
        Completeness.UNSURE: UNSURE,
    }
    return [(kind, line.strip()) for kind, t in tables.items() for line in t.strip().splitlines()]


@pytest.mark.parametrize(("kind", "line"), cases())
def test_what_callers_say_in_english_is_read_for_its_end(kind: Completeness, line: str) -> None:
    reading = classify(line, "en")

    assert reading.completeness is kind, reading.reason

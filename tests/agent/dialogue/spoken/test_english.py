"""Written English, and how it is said."""

from __future__ import annotations

import pytest

from agent.dialogue.spoken import to_speech


def said(text: str) -> str:
    return to_speech(text, "en").text


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("I'm 25 years old", "I'm twenty-five years old"),
        (
            "1,234,567.89",
            "one million two hundred and thirty-four thousand five hundred and sixty-seven"
            " point eight nine",
        ),
        ("It is 3.05", "It is three point zero five"),
        ("007", "zero zero seven"),
        ("the 21st of", "the twenty-first of"),
        ("-7 or 7", "minus seven or seven"),
        ("No. 5 and #3", "number five and number three"),
        ("3-5 days", "three to five days"),
        ("3x4", "three by four"),
        ("10k users", "ten thousand users"),
        ("1/2 cup", "one half cup"),
        ("2 1/2 cups", "two and a half cups"),
        ("2½ cups", "two and a half cups"),
        ("3/4 full", "three quarters full"),
        ("24/7", "twenty-four seven"),
        ("v1.2.3", "one point two point three"),
        ("order 123456789", "order one two three four five six seven eight nine"),
        ("１２３ full", "one hundred and twenty-three full"),
        ("A4 paper", "A-four paper"),
        ("COVID-19", "COVID nineteen"),
        ("B2B", "B two B"),
    ],
)
def test_numbers_become_words(written: str, spoken: str) -> None:
    assert said(written) == spoken
    assert not any(char.isdigit() for char in said(written))


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It costs $12,500.", "It costs twelve thousand five hundred dollars."),
        ("$3.50 please", "three dollars and fifty cents please"),
        ("$1", "one dollar"),
        ("$1.01", "one dollar and one cent"),
        ("$1.5 million", "one point five million dollars"),
        ("$2M", "two million dollars"),
        ("£0.99", "ninety-nine pence"),
        ("5 USD", "five dollars"),
        ("EUR 20", "twenty euros"),
        ("$5-10", "five to ten dollars"),
        ("-$5", "minus five dollars"),
        ("₩12,500", "twelve thousand five hundred won"),
        ("50%", "fifty percent"),
        ("0.5 %", "zero point five percent"),
        ("-5°C", "minus five degrees Celsius"),
        ("72°F", "seventy-two degrees Fahrenheit"),
        ("10 km/h", "ten kilometers per hour"),
        ("5kg of", "five kilograms of"),
        ("1 lb", "one pound"),
        ("6ft", "six feet"),
        ("5'10\"", "five foot ten"),
        ("100m²", "one hundred square meters"),
        ("8 GB", "eight gigabytes"),
    ],
)
def test_money_and_measures_become_words(written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("at 3:30 PM.", "at three thirty PM."),
        ("3:00", "three o'clock"),
        ("3:00 PM", "three PM"),
        ("3:05", "three oh five"),
        ("15:05", "fifteen oh five"),
        ("00:00", "midnight"),
        (
            "We open at 9 a.m. and close at 5 p.m.",
            "We open at nine AM and close at five PM.",
        ),
        ("2024-03-15", "March fifteenth, twenty twenty-four"),
        ("3/15/2024", "March fifteenth, twenty twenty-four"),
        ("March 15, 2024 is it", "March fifteenth, twenty twenty-four is it"),
        ("Mar. 3rd", "March third"),
        ("on 15 March", "on March fifteenth"),
        ("May 5", "May fifth"),
        ("the 1990s", "the nineteen nineties"),
        ("in 2024, we", "in twenty twenty-four, we"),
        ("1990-2000", "nineteen ninety to two thousand"),
        ("1500 people", "one thousand five hundred people"),
    ],
)
def test_times_and_dates_become_words(written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("call 555-123-4567", "call five five five, one two three, four five six seven"),
        ("(555) 123-4567", "five five five, one two three, four five six seven"),
        (
            "+82 10-1234-5678",
            "plus eight two, one zero, one two three four, five six seven eight",
        ),
        ("555-0199", "five five five, zero one nine nine"),
        (
            "4111 1111 1111 1111",
            "four one one one, one one one one, one one one one, one one one one",
        ),
    ],
)
def test_telephone_numbers_are_said_digit_by_digit(written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Dr. Smith vs. Mr. Jones, etc.", "Doctor Smith versus Mister Jones, et cetera."),
        ("e.g. this", "for example this"),
        ("i.e. that", "that is that"),
        ("She has a Ph.D. here", "She has a PhD here"),
        ("A.I. is here", "AI is here"),
        ("Main St. is", "Main Street is"),
        ("St. John", "Saint John"),
        ("U.S. Army", "US Army"),
        ("in the U.S.", "in the US."),
        ("R&D w/o it", "R and D without it"),
        ("a/b", "a or b"),
        ("x² + y² = z²", "x squared plus y squared equals z squared"),
        ("node.js", "node dot js"),
        ("snake_case", "snake case"),
    ],
)
def test_abbreviations_and_symbols_become_words(written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**Bold** and *it* `code` [link](http://x.com/a) text", "Bold and it code link text"),
        ("- one\n- two", "one. two"),
        ("# Head\nText", "Head. Text"),
        ("1. Apples", "one. Apples"),
        ("1986. What a year", "nineteen eighty-six. What a year"),
        ("Look:\n```python\nprint(1)\n```\nDone.", "Look. Done."),
        ("![a cat](cat.png) sits", "a cat sits"),
        ("<b>hi</b> &amp; you", "hi and you"),
        ("https://www.example.com/docs?x=1 now", "example dot com slash docs now"),
        ("https://a.com/9f8e7d/x/y/z.", "a dot com."),
        ("see www.example.org.", "see example dot org."),
        ("john.doe@example.com", "john dot doe at example dot com"),
        ("Hi 😀 there 👍🏽", "Hi there"),
        ("1️⃣ first", "one first"),
        ("Nice :) thanks", "Nice thanks"),
        ('"Hello," she said; (really) — yes...', "Hello, she said, really, yes."),
        ("What?!", "What?"),
        ("Sure...", "Sure."),
        ("Well... maybe", "Well, maybe"),
        ("?!", ""),
        ("😀", ""),
        ("", ""),
        ("  two   spaces ", "two spaces"),
    ],
)
def test_what_is_for_the_eye_is_left_out(written: str, spoken: str) -> None:
    assert said(written) == spoken

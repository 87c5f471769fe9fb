"""What was said, as the model will read it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dialogue.history import History, HistorySettings
from agent.messages import NO_RESULT, Message, ToolCall


def lines(history: History, pending: str | None = None) -> list[str]:
    return [f"{message.role}: {message.text}" for message in history.messages(pending)]


def test_turns_are_read_in_order_after_the_system_message() -> None:
    history = History("Be brief.")
    history.say("Hello!")
    history.hear("What's the time?")
    history.say("It is noon.")

    assert history.messages(pending="And the") == (
        Message("system", "Be brief."),
        Message("assistant", "Hello!"),
        Message("user", "What's the time?"),
        Message("assistant", "It is noon."),
        Message("user", "And the"),
    )


def test_a_reply_that_nobody_heard_leaves_no_trace() -> None:
    history = History("s")
    history.hear("Tell me a story.")
    history.say("")
    history.hear("A short one.")

    assert lines(history) == ["system: s", "user: Tell me a story. A short one."]


def test_what_is_said_within_a_turn_is_joined() -> None:
    history = History("s")
    history.hear("음악 틀어 줘")
    history.say("네,")
    history.say("틀어 드릴게요.")

    assert lines(history) == ["system: s", "user: 음악 틀어 줘", "assistant: 네, 틀어 드릴게요."]


def test_what_was_said_can_be_cut_and_taken_back() -> None:
    history = History("s")
    history.hear("Tell me a story.", "q")
    history.say("Once upon", "a")
    history.say("a time.", "a")
    history.hear("Stop.", "stop")

    history.amend("a", "Once upon")
    assert lines(history) == ["system: s", "user: Tell me a story.", "assistant: Once upon",
                              "user: Stop."]  # fmt: skip
    assert history.last_heard == "Stop."

    history.amend("a", "")
    assert lines(history) == ["system: s", "user: Tell me a story. Stop."]


def test_an_unknown_key_changes_nothing() -> None:
    history = History("s")
    history.hear("Hi")
    before = history.version
    history.amend("", "Hello")
    history.amend("nobody", "Hello")

    assert (history.version, lines(history)) == (before, ["system: s", "user: Hi"])


def test_something_can_be_put_between_what_was_said() -> None:
    history = History("s")
    history.hear("A", "a")
    history.say("B", "b")
    history.insert("user", "C", "c", after=("forgotten", "a"))
    history.insert("assistant", "D", "d", after=())

    assert lines(history) == ["system: s", "assistant: D", "user: A C", "assistant: B"]


def test_words_that_come_later_stand_where_they_were_said() -> None:
    history = History("s")
    history.hear("A", "a")
    history.say("B", "b")
    history.expect("last")
    history.expect("between", after=("a",))
    history.say("C", "c")
    assert lines(history) == ["system: s", "user: A", "assistant: B C"]
    assert history.last_heard == "A"

    history.amend("last", "Z")
    history.amend("between", "Y")

    assert lines(history) == ["system: s", "user: A Y", "assistant: B", "user: Z", "assistant: C"]
    assert history.last_heard == "Z"


def test_words_that_never_come_leave_no_trace() -> None:
    history = History("s", HistorySettings(max_turns=1))
    history.hear("A", "a")
    history.expect("nothing", after=("a",))
    history.amend("nothing", "")
    history.amend("nothing", "too late")
    history.say("B")

    assert lines(history) == ["system: s", "assistant: B"], "it counted as a turn while it might be"


@pytest.mark.parametrize("blank", ["", "  \n"])
def test_a_turn_needs_words(blank: str) -> None:
    with pytest.raises(ValueError, match="needs words"):
        History("s").hear(blank)


def test_every_change_is_a_new_version_and_nothing_else_is() -> None:
    history = History("s")
    seen = [history.version]
    for change in (
        lambda: history.hear("a", "k"),
        lambda: history.amend("k", "ab"),
        lambda: history.say("c"),
        lambda: setattr(history, "system", "t"),
    ):
        change()
        seen.append(history.version)
    assert len(set(seen)) == len(seen)

    history.messages(pending="d")
    history.say("")
    history.system = "t"

    assert history.version == seen[-1]


def test_the_persona_can_change() -> None:
    history = History("Speak English.")
    history.hear("Hi")
    history.system = "한국어로 말해."

    assert lines(history) == ["system: 한국어로 말해.", "user: Hi"]


def test_a_history_without_a_system_message_has_none() -> None:
    history = History("")
    history.hear("Hi")

    assert lines(history) == ["user: Hi"]


def test_the_oldest_turns_are_dropped_and_rarely() -> None:
    history = History("s", HistorySettings(max_turns=10, keep_share=0.5))
    beginnings = []
    for turn in range(40):
        history.hear(f"q{turn}")
        history.say(f"a{turn}")
        beginnings.append(lines(history)[1])

    assert lines(history)[0] == "system: s"
    assert lines(history)[-2:] == ["user: q39", "assistant: a39"]
    changes = sum(one != other for one, other in pairwise(beginnings))
    assert changes <= 40 / 5


def test_the_last_turn_stays_however_long_it_is() -> None:
    history = History("s", HistorySettings(max_characters=100))
    history.hear("short")
    history.hear("long " * 100)

    assert len(lines(history)) == 2
    assert lines(history)[1].startswith("user: long long")


moves = st.lists(
    st.tuples(
        st.sampled_from(["hear", "say", "amend", "insert", "expect"]),
        st.text("ab 가나", max_size=30),
    ),
    max_size=60,
)


@given(moves, st.text("ab ", max_size=5))
def test_roles_alternate_and_the_length_is_bounded(
    script: list[tuple[str, str]], pending: str
) -> None:
    limits = HistorySettings(max_turns=5, max_characters=100)
    history = History("s", limits)
    for move, text in script:
        if move == "hear" and text.strip():
            history.hear(text, text[:1])
        elif move == "say":
            history.say(text, text[:1])
        elif move == "amend":
            history.amend(text[:1], text[1:])
        elif move == "expect":
            history.expect(text[:1], after=("a",) if text[1:] else None)
        elif move == "insert" and text.strip():
            history.insert("assistant", text, "k", after=("a", "b"))

    system, *spoken = history.messages(pending=pending)

    assert system == Message("system", "s")
    assert all(one.role != other.role for one, other in pairwise(spoken))
    assert all(message.text.strip() for message in spoken)
    assert len(spoken) <= 2 * limits.max_turns + 1


def called(history: History, *names: str) -> None:
    calls = tuple(ToolCall(name, name, "{}") for name in names)
    results = [Message("tool", NO_RESULT, call_id=name) for name in names]
    history.use([Message("assistant", "", calls=calls), *results])


def test_a_result_comes_late_or_never() -> None:
    history = History("")
    history.hear("Is it warm?")
    called(history, "a", "b")
    history.hear("Hello?")
    before = history.version
    history.resolve("b", "warm")
    assert history.version > before
    history.resolve("nobody", "cold")
    assert [m.text for m in history.messages()] == ["Is it warm?", "", NO_RESULT, "warm", "Hello?"]


def test_a_call_that_never_was_takes_its_result_along() -> None:
    history = History("")
    history.hear("Is it warm?")
    called(history, "a", "b")
    history.resolve("a", "warm")
    history.uncall("b")
    assert [(m.role, m.text, m.call_id) for m in history.messages()] == [
        ("user", "Is it warm?", ""),
        ("assistant", "", ""),
        ("tool", "warm", "a"),
    ]
    assert [call.id for call in history.messages()[1].calls] == ["a"]
    history.uncall("a")
    assert [m.role for m in history.messages()] == ["user"]


def test_a_call_of_before_is_put_where_it_was() -> None:
    history = History("")
    history.hear("Is it warm?", "first")
    history.hear("Hello?", "second")
    history.call(ToolCall("a", "weather", "{}"), after=("first",))
    assert [m.role for m in history.messages()] == ["user", "assistant", "tool", "user"]


def test_the_length_of_a_result_counts() -> None:
    history = History("", HistorySettings(max_characters=100))
    history.hear("Is it warm?")
    called(history, "a")
    history.hear("Hello?")
    history.resolve("a", "warm" * 100)
    assert [m.text for m in history.messages()] == ["Hello?"]

"""When sequences, cells or the context run short: who gives up what, and that nobody notices."""

from __future__ import annotations

from tests.agent.engines.llama.scripted import SYSTEM, ScriptedRuntime, Stage


def test_the_idlest_call_gives_up_its_place_and_never_notices() -> None:
    stage = Stage(ScriptedRuntime(sequences=3), openings=1)
    for name in ("a", "b"):
        stage.ask(name, f"I am {name}")
    stage.run()
    stage.ask("a", "I am a", "hello", "again")
    stage.run()

    stage.ask("c", "I am c")
    stage.run()
    before = stage.scheduler.counts.reused
    _, heard = stage.ask("a", "I am a", "hello", "again", "yes", "third")
    stage.run()

    assert stage.scheduler.counts.evictions == 1
    assert stage.scheduler.counts.reused - before > len(SYSTEM) + len("I am a")
    _, gone = stage.ask("b", "I am b", "hello", "again")
    stage.run()
    assert gone.said == stage.alone("I am b", "hello", "again")


def test_a_full_cache_lets_calls_wait_and_serves_them_all() -> None:
    stage = Stage(ScriptedRuntime(cells=256, context=256, sequences=8), openings=1)

    heard = [stage.ask(f"call {i}", f"question {i} " * 6)[1] for i in range(8)]
    stage.run()

    assert [h.said for h in heard] == [stage.alone(f"question {i} " * 6) for i in range(8)]


def test_one_call_may_fill_the_whole_cache() -> None:
    stage = Stage(ScriptedRuntime(cells=256, context=256, sequences=4))
    stage.ask("other", "hi")
    stage.run()
    question = "x" * (256 - 40 - len(stage.template.prompt(())) - len(SYSTEM) - len("\n\nUser: \n"))

    _, heard = stage.ask("a", question, max_tokens=40)
    stage.run()

    assert heard.said == stage.alone(question, max_tokens=40)


def test_a_history_that_is_too_long_goes_on_with_its_end() -> None:
    stage = Stage(ScriptedRuntime(context=256))
    history: list[str] = []
    starts = []
    for turn in range(30):
        history.append(f"this is question number {turn}")
        _, heard = stage.ask("a", *history, max_tokens=20)
        stage.run()
        [start] = kept_from(stage, history, heard.said)
        starts.append(start)
        history.append(heard.said or "-")

    assert starts == sorted(starts) and 0 < starts[-1] <= 60
    assert len(set(starts)) < 15, "several turns are left out at a time, and then none for a while"
    assert stage.scheduler.counts.reused > stage.scheduler.counts.prompt * 0.5


def kept_from(stage: Stage, history: list[str], said: str) -> list[int]:
    """The turns of the caller's from which on the history explains the reply, the system prompt
    kept; one, unless the reply is of nothing that was said."""
    found = [
        at for at in range(0, len(history), 2) if stage.alone(*history[at:], max_tokens=20) == said
    ]
    return found[:1]


def test_many_long_histories_in_a_small_cache_are_read_anew_and_say_the_same() -> None:
    runtime = ScriptedRuntime(cells=600, context=256, sequences=4)
    stage, alone = Stage(runtime, openings=1), Stage(ScriptedRuntime(context=256))
    histories: dict[str, list[str]] = {f"call {n}": [] for n in range(6)}
    for turn in range(12):
        heard = {}
        for name, history in histories.items():
            history.append(f"{name} asks its question number {turn}")
            heard[name] = stage.ask(name, *history)[1]
        stage.run()
        for name, history in histories.items():
            _, expected = alone.ask(name, *history)
            alone.run()
            assert heard[name].said == expected.said
            history.append(expected.said or "-")

    assert stage.scheduler.counts.evictions > 20

"""A GGUF model behind the Protocol of a language model: the scheduler on a thread of its own.

The event loop hands commands over and gets pieces back; it never waits for the library. The thread
takes what has come, makes a step, and so on; without work it sleeps. It runs at a lower priority
than the audio, as do the threads that llama.cpp makes from it.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from agent.engines.llama.job import Job
from agent.engines.llama.pace import Pace, Readings
from agent.engines.llama.parts import AT_ONCE
from agent.engines.llama.pieces import Outbox, Pieces
from agent.engines.llama.prompt import ChatTemplate
from agent.engines.llama.prompts import Prompts
from agent.engines.llama.runtime import NO_ADAPTER, SYSTEM_PROMPTS, DecodeFailed, Entry
from agent.engines.llama.scheduler import Counts, Scheduler
from agent.engines.llama.settings import LlamaSettings
from agent.engines.llama.shares import Shares
from agent.engines.protocols import Priority, ReplyRequest
from agent.errors import EngineError, EngineFailed, EngineMissing
from agent.messages import ToolCall, Usage

if TYPE_CHECKING:
    from agent.engines.llama.library import LlamaCpp

Command = Callable[[Scheduler], None]


class Llama:
    """llama.cpp in this process. `start()` loads the file at `path`.

    `prefixes`: a folder where system prompts that were read wait for the next start; None: nowhere.
    """

    def __init__(
        self, settings: LlamaSettings, path: Path, *, prefixes: Path | None = None
    ) -> None:
        self._prefixes = prefixes
        self._settings = settings
        self._path = path
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._scheduler: Scheduler | None = None
        self._outbox: Outbox | None = None
        self._pace = Pace(gap=settings.reply_gap, beside=settings.prefill_share)
        self.device = settings.device
        """`cpu` or `cuda` once it is started."""

    @property
    def counts(self) -> Counts:
        """What was done since the start."""
        return replace(self._scheduler.counts) if self._scheduler else Counts()

    @property
    def wait(self) -> float:
        """Seconds in which a reply that is asked for now would begin, as far as can be told."""
        readings = self.readings()
        return max(readings.oldest, readings.first_token)

    def readings(self) -> Readings:
        """How busy it is. Cheap; of a step that is being made, the moment before it."""
        jobs = self._scheduler.jobs if self._scheduler else []
        replies = [j for j in jobs if j.replies and j.priority is Priority.COMMITTED]
        waiting = [j for j in replies if not j.made]
        replying = len(replies) - len(waiting)
        oldest = time.monotonic() - min(j.asked for j in waiting) if waiting else 0.0
        return Readings(
            replying=replying,
            waiting=len(waiting),
            oldest=oldest,
            tokens_per_second=self._pace.tokens_per_second,
            first_token=self._pace.first_token(sum(j.unread for j in waiting), replying),
        )

    async def start(self) -> None:
        """Load the model and make one step with it. Raises EngineMissing when it can't be."""
        self._outbox = Outbox(asyncio.get_running_loop())
        ready = Pieces(self._outbox, 1)
        self._thread = threading.Thread(
            target=self._work, args=(ready, self._outbox), name="llama", daemon=True
        )
        self._thread.start()
        await ready.get()

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        """The reply as it is made. Closing it frees the model within one step."""
        job, pieces = self._submit(request, replies=True)
        try:
            while (piece := await pieces.get()) is not None:
                if isinstance(piece, ToolCall):
                    request.call(piece)
                else:
                    yield piece
        finally:
            self._command(job.cancel)
            if (usage := job.usage) is not None:
                request.count(usage)

    async def prefill(self, request: ReplyRequest) -> None:
        """Read along, when nobody needs the model more. A later request of the call ends it."""
        job, pieces = self._submit(request, replies=False)
        try:
            await pieces.get()
        finally:
            self._command(job.cancel)

    def commit(self, conversation: str) -> None:
        self._command(lambda scheduler: scheduler.commit(conversation))

    def forget(self, conversation: str) -> None:
        self._command(lambda scheduler: scheduler.forget(conversation))

    async def aclose(self) -> None:
        """End all replies and free the model. Idempotent."""
        self._commands.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _submit(self, request: ReplyRequest, *, replies: bool) -> tuple[_Submitted, Pieces]:
        if self._outbox is None or self._thread is None or not self._thread.is_alive():
            raise EngineFailed(
                "llm",
                "the language model is not running: it was not started, "
                "was closed, or its thread has failed (see the log)",
            )
        pieces = Pieces(self._outbox, _pieces_of(request) if replies else 1)
        submitted = _Submitted(request, pieces, replies)
        self._command(submitted.submit)
        return submitted, pieces

    def _command(self, command: Command) -> None:
        self._commands.put(command)

    def _work(self, ready: Pieces, outbox: Outbox) -> None:
        """The thread: load, then serve commands and make steps until it is told to end."""
        _lower_priority(self._settings.niceness)
        try:
            runtime = _load(self._path, self._settings, self._prefixes)
            scheduler = _scheduler_of(runtime, self._settings, self._path)
        except EngineError as error:
            ready.end(error)
            outbox.flush()
            return
        self._scheduler = scheduler
        self.device = "cuda" if runtime.layers else "cpu"
        ready.end(None)
        try:
            while self._take_commands(scheduler, outbox):
                self._step(scheduler)
        finally:
            # Also after a bug: whoever waits for a reply hears of it.
            scheduler.close(EngineFailed("llm", "the language model was closed"))
            self._drain(scheduler)
            outbox.flush()
            runtime.close()

    def _step(self, scheduler: Scheduler) -> None:
        counts = scheduler.counts
        read, replied, asked = counts.read, counts.replied, counts.unread
        began = time.monotonic()
        scheduler.step()
        self._pace.step(time.monotonic() - began, counts.read - read, counts.replied - replied)
        scheduler.read_beside(self._pace.beside)
        if counts.unread > asked:
            self._pace.asked(counts.unread - asked)

    def _take_commands(self, scheduler: Scheduler, outbox: Outbox) -> bool:
        """Carry out what has come; wait for it when there is no work. False: it is the end."""
        while True:
            if not self._commands.qsize():
                outbox.flush()
            try:
                command = self._commands.get(block=not scheduler.busy)
            except queue.Empty:
                return True
            if command is None:
                return False
            command(scheduler)

    def _drain(self, scheduler: Scheduler) -> None:
        with suppress(queue.Empty):
            while True:
                if (command := self._commands.get_nowait()) is not None:
                    command(scheduler)


class _Submitted:
    """A job between the event loop, which asks for it, and the thread, which makes it."""

    def __init__(self, request: ReplyRequest, pieces: Pieces, replies: bool) -> None:
        self._request = request
        self._pieces = pieces
        self._replies = replies
        self._asked = time.monotonic()
        self._job: Job | None = None

    def submit(self, scheduler: Scheduler) -> None:
        self._job = scheduler.submit(
            self._request, self._pieces, replies=self._replies, now=self._asked
        )

    @property
    def usage(self) -> Usage | None:
        """What it cost; None when the thread has not begun with it."""
        return self._job.usage if self._job is not None else None

    def cancel(self, scheduler: Scheduler) -> None:
        if self._job is not None:
            scheduler.cancel(self._job)


def _pieces_of(request: ReplyRequest) -> int:
    return request.max_tokens + request.tools.max_tokens


def _load(path: Path, settings: LlamaSettings, prefixes: Path | None) -> LlamaCpp:
    """Raises EngineMissing, also when llama.cpp itself cannot be loaded."""
    try:
        from agent.engines.llama.library import load
    except (ImportError, OSError, RuntimeError) as error:
        # RuntimeError is what the wheel makes of a library for another processor.
        raise EngineMissing(
            "llm", f"llama-cpp-python cannot be loaded ({error}): make clean, then make run"
        ) from error
    return load(path, settings, prefixes=prefixes)


def _scheduler_of(runtime: LlamaCpp, settings: LlamaSettings, path: Path) -> Scheduler:
    """The scheduler of a loaded model, which has made its first step."""
    try:
        template = ChatTemplate(runtime.template, bos=runtime.bos, eos=runtime.eos)
    except (TemplateError, ValueError) as error:
        raise EngineMissing("llm", f"{path} cannot be used for a conversation: {error}") from error
    shares = Shares(
        batch=runtime.batch,
        beside_replies=settings.prefill_share or AT_ONCE,
        speculative=settings.speculative_share,
    )
    prompts = Prompts(template, runtime.tokenize, context=runtime.context)
    try:  # buffers are made and weights are mapped
        runtime.decode([Entry(0, 0, 0, True)], NO_ADAPTER)
    except DecodeFailed as error:
        why = f"llama.cpp cannot compute with {path} on this machine ({error}): is memory short?"
        raise EngineMissing("llm", why) from error
    runtime.clear()
    return Scheduler(runtime, prompts, shares=shares, openings=SYSTEM_PROMPTS, stops=template.stops)


def _lower_priority(niceness: int) -> None:
    """Of the calling thread, and of those that it will make. Linux counts it by thread."""
    if sys.platform == "linux" and niceness:
        own = threading.get_native_id()
        nice = os.getpriority(os.PRIO_PROCESS, own) + niceness
        os.setpriority(os.PRIO_PROCESS, own, min(nice, 19))

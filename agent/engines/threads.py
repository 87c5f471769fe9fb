"""Small pools of threads for the native engines, so that the event loop never blocks.

A library call that takes milliseconds or seconds runs here. `Workers` promises:

- the most urgent job goes first (`Priority`), and among equals the one that came first;
- a job is handed a `Stop`, which is set as soon as nobody waits for its result; long work looks at
  it between two items, and one that was still queued never begins;
- waiting is prompt: a cancelled coroutine goes on at once, though the library's call may still be
  running; its worker counts as busy until it has returned;
- whatever a job raises comes out as an `EngineError` of the stage.

Load a model in a job too: a library's own threads inherit the lower priority of the worker that
made them, and the threads that send audio are left undisturbed.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from agent.engines.protocols import Priority
from agent.errors import EngineError, EngineFailed, Stage

T = TypeVar("T")

Stop = threading.Event
"""Set when nobody waits for the job any more."""


@dataclass(order=True)
class _Job:
    priority: Priority
    number: int
    perform: Callable[[], Callable[[], None]] = field(compare=False)
    """Do the work; returns what tells the outcome."""
    fail: Callable[[EngineError], None] = field(compare=False)
    stop: Stop = field(compare=False)
    since: float = field(compare=False, default_factory=time.monotonic)


class Workers:
    """`count` threads that do the jobs of one engine. They begin with the first job.

    `niceness` (0..19) is added to the threads' own where the system has it (Linux): the higher,
    the sooner they make room for the event loop.
    """

    def __init__(self, count: int, *, stage: Stage, name: str, niceness: int = 5) -> None:
        if count < 1:
            raise ValueError(f"{name} needs at least one worker, got {count}")
        self.count = count
        self._stage: Stage = stage
        self._name = name
        self._niceness = niceness
        self._condition = threading.Condition()
        self._numbers = itertools.count()
        self._queued: list[_Job] = []
        self._running: list[_Job] = []
        self._threads: list[threading.Thread] = []
        self._closed = False

    @property
    def free(self) -> int:
        """Workers that have nothing to do, nor will have when the queue is done; never below 0."""
        with self._condition:
            return max(self.count - len(self._running) - self._waiting(), 0)

    @property
    def busy(self) -> bool:
        """A job that came now would have to wait for a worker."""
        return self.free == 0

    @property
    def queued(self) -> int:
        """Jobs that wait for a worker."""
        with self._condition:
            return self._waiting()

    @property
    def wait(self) -> float:
        """Seconds that the oldest committed job has waited for a worker; 0: none waits."""
        with self._condition:
            waiting = [
                job.since
                for job in self._queued
                if job.priority is Priority.COMMITTED and not job.stop.is_set()
            ]
        return time.monotonic() - min(waiting) if waiting else 0.0

    async def run(self, work: Callable[[Stop], T], *, priority: Priority = Priority.COMMITTED) -> T:
        """What `work(stop)` returns. Raises EngineError; EngineFailed for anything unforeseen."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()
        stop = Stop()

        def fail(error: EngineError) -> None:
            _tell(loop, _set_exception, outcome, error)

        def perform() -> Callable[[], None]:
            try:
                result = work(stop)
            # A worker outlives its jobs, whatever they raise: a panic of Rust's is no Exception.
            except BaseException as error:
                return partial(fail, self._translated(error))
            return partial(_tell, loop, _set_result, outcome, result)

        self._add(_Job(priority, next(self._numbers), perform, fail, stop))
        try:
            return await outcome
        finally:
            stop.set()

    async def stream(
        self,
        work: Callable[[Stop], Iterator[T]],
        *,
        priority: Priority = Priority.COMMITTED,
        ahead: int = 16,
    ) -> AsyncGenerator[T, None]:
        """The items of `work(stop)`, iterated in a worker at most `ahead` items before the reader.

        The worker is held until the iterator ends: a reader that lags keeps it waiting. Closing
        the generator stops the iteration between two items, and the iterator is closed in its
        worker. Raises EngineError after the items that came before it.
        """
        pipe: _Pipe[T] = _Pipe(asyncio.get_running_loop(), ahead)

        def perform() -> Callable[[], None]:
            try:
                pipe.pump(work(pipe.stop))
            except BaseException as error:  # as in run()
                return partial(pipe.end, self._translated(error))
            return partial(pipe.end, None)

        self._add(_Job(priority, next(self._numbers), perform, pipe.end, pipe.stop))
        try:
            while (entry := await pipe.take()) is not None:
                yield entry.item
        finally:
            pipe.abandon()

    async def aclose(self, *, grace: float = 5.0) -> None:
        """Stop all jobs; wait at most `grace` seconds for those inside a library call. Idempotent.

        Queued jobs, and jobs that come later, raise EngineFailed.
        """
        with self._condition:
            self._closed = True
            for job in self._running:
                job.stop.set()
            abandoned, self._queued = self._queued, []
            self._condition.notify_all()
        for job in abandoned:
            job.fail(self._is_closed())
        await asyncio.to_thread(self._join, grace)

    def _join(self, grace: float) -> None:
        for thread in self._threads:
            thread.join(grace / self.count)

    def _waiting(self) -> int:
        return sum(not job.stop.is_set() for job in self._queued)

    def _add(self, job: _Job) -> None:
        with self._condition:
            if self._closed:
                raise self._is_closed()
            heapq.heappush(self._queued, job)
            if len(self._threads) < self.count and len(self._queued) > self._idle():
                self._hire()
            self._condition.notify()

    def _idle(self) -> int:
        return len(self._threads) - len(self._running)

    def _hire(self) -> None:
        name = f"{self._name}-{len(self._threads)}"
        # A daemon: a library that hangs must not keep the process from ending.
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        if sys.platform == "linux" and self._niceness:
            own = threading.get_native_id()
            nice = os.getpriority(os.PRIO_PROCESS, own) + self._niceness
            os.setpriority(os.PRIO_PROCESS, own, min(nice, 19))
        while (job := self._next()) is not None:
            tell = job.perform()
            with self._condition:
                self._running.remove(job)
            tell()  # only now: whoever waited finds this worker free
            del job, tell  # or the result would live until the next job comes

    def _next(self) -> _Job | None:
        with self._condition:
            while not self._closed:
                while self._queued:
                    job = heapq.heappop(self._queued)
                    if not job.stop.is_set():
                        self._running.append(job)
                        return job
                self._condition.wait()
        return None

    def _translated(self, error: BaseException) -> EngineError:
        if isinstance(error, EngineError):
            return error
        failed = EngineFailed(self._stage, f"{self._name} failed: {type(error).__name__}: {error}")
        failed.__cause__ = error
        return failed

    def _is_closed(self) -> EngineFailed:
        return EngineFailed(self._stage, f"{self._name} is closed and takes no more work")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    item: T


class _Pipe(Generic[T]):
    """Items from a worker's iterator to one reader on the loop, a bounded number of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self.stop = Stop()
        self._loop = loop
        self._room = threading.Semaphore(size)
        # Bounded by `_room`, which the worker waits for: the loop's side never has to.
        self._entries: asyncio.Queue[_Entry[T] | EngineError | None] = asyncio.Queue()

    def pump(self, items: Iterator[T]) -> None:
        """In the worker: hand over the items until they end or nobody reads them."""
        try:
            for item in items:
                self._room.acquire()
                if self.stop.is_set():
                    return
                _tell(self._loop, self._entries.put_nowait, _Entry(item))
                del item  # the reader's now; the next one may be long in coming
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    def end(self, error: EngineError | None) -> None:
        """From any thread: nothing comes after this."""
        _tell(self._loop, self._entries.put_nowait, error)

    async def take(self) -> _Entry[T] | None:
        """On the loop: the next item, None at the end. Raises the worker's error."""
        entry = await self._entries.get()
        if isinstance(entry, EngineError):
            raise entry
        self._room.release()
        return entry

    def abandon(self) -> None:
        """On the loop: nobody reads any more; a worker that waits for room goes on and stops."""
        self.stop.set()
        self._room.release()


def _tell(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *args: object) -> None:
    try:
        loop.call_soon_threadsafe(callback, *args)
    except RuntimeError:
        if not loop.is_closed():  # closed: the program has ended, nobody is left to be told
            raise


def _set_result(outcome: asyncio.Future[T], result: T) -> None:
    if not outcome.done():
        outcome.set_result(result)


def _set_exception(outcome: asyncio.Future[T], error: EngineError) -> None:
    if not outcome.done():
        outcome.set_exception(error)

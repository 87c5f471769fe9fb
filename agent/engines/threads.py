"""Small pools of threads for the native engines, so that the event loop never blocks.

A library call that takes milliseconds or seconds runs here. `Workers` promises:

- the most urgent job goes first, by the priority it has when a worker is free, and among equals the
  one that came first; those that a library does for less together go together (`Batch`), once they
  wait (jobs.py);
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
import itertools
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from agent.engines.jobs import Batch, Job, Queue, Stop, Tell, Wanted
from agent.engines.protocols import Priority, Urgent
from agent.errors import EngineError, EngineFailed, Stage

Item = TypeVar("Item")
T = TypeVar("T")


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
        self._queue = Queue()
        self._running: list[list[Job]] = []
        """What each busy worker does."""
        self._threads: list[threading.Thread] = []
        self._closed = False

    @property
    def free(self) -> int:
        """Workers that have nothing to do, nor will have when the queue is done; never below 0."""
        with self._condition:
            return max(self.count - len(self._running) - len(self._queue), 0)

    @property
    def busy(self) -> bool:
        """A job that came now would have to wait for a worker."""
        return self.free == 0

    @property
    def queued(self) -> int:
        """Jobs that wait for a worker."""
        with self._condition:
            return len(self._queue)

    @property
    def wait(self) -> float:
        """Seconds that the oldest committed job has waited for a worker; 0: none waits."""
        with self._condition:
            since = self._queue.oldest(Priority.COMMITTED)
        return 0.0 if since is None else time.monotonic() - since

    async def run(self, work: Callable[[Stop], T], *, priority: Urgent = Priority.COMMITTED) -> T:
        """What `work(stop)` returns. Raises EngineError; EngineFailed for anything unforeseen."""
        alone: Batch[None, T] = Batch(None, 1, lambda wanted: [work(wanted[0].stop)])
        return await self.run_with_others(None, alone, priority=priority)

    async def run_with_others(
        self, item: Item, batch: Batch[Item, T], *, priority: Urgent = Priority.COMMITTED
    ) -> T:
        """What the batch's work gives for `item`: alone, or in one go with others of its kind and
        priority that wait when a worker comes to it. Raises as `run` does.

        Of a batch whose work raises each is done again alone: only the culprit has the error."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()
        job = Job(
            priority,
            next(self._numbers),
            perform=partial(self._perform, batch.work),
            fail=lambda error: _tell(loop, _set_exception, outcome, error),
            stop=Stop(),
            succeed=lambda result: _tell(loop, _set_result, outcome, result),
            item=item,
            kind=batch.kind,
            most=batch.most,
        )
        self._add(job)
        try:
            return await outcome
        finally:
            job.stop.set()

    async def stream(
        self,
        work: Callable[[Stop], Iterator[T]],
        *,
        priority: Urgent = Priority.COMMITTED,
        ahead: int = 16,
    ) -> AsyncGenerator[T, None]:
        """The items of `work(stop)`, iterated in a worker at most `ahead` items before the reader.

        The worker is held until the iterator ends: a reader that lags keeps it waiting. Closing
        the generator stops the iteration between two items, and the iterator is closed in its
        worker. Raises EngineError after the items that came before it.
        """
        pipe: _Pipe[T] = _Pipe(asyncio.get_running_loop(), ahead)

        def perform(_: Sequence[Job]) -> list[Tell]:
            try:
                pipe.pump(work(pipe.stop))
            except BaseException as error:  # as in _perform()
                return [partial(pipe.end, self._translated(error))]
            return [partial(pipe.end, None)]

        self._add(Job(priority, next(self._numbers), perform, pipe.end, pipe.stop))
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
            for job in itertools.chain.from_iterable(self._running):
                job.stop.set()
            abandoned = self._queue.clear()
            self._condition.notify_all()
        for job in abandoned:
            job.fail(self._is_closed())
        await asyncio.to_thread(self._join, grace)

    def _join(self, grace: float) -> None:
        for thread in self._threads:
            thread.join(grace / self.count)

    def _add(self, job: Job) -> None:
        with self._condition:
            if self._closed:
                raise self._is_closed()
            self._queue.add(job)
            if len(self._threads) < self.count and len(self._queue) > self._idle():
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
        while jobs := self._next():
            tells = jobs[0].perform(jobs)
            with self._condition:
                self._running.remove(jobs)
            for tell in tells:  # only now: whoever waited finds this worker free
                tell()
            del jobs, tells, tell  # or the results would live until the next job comes

    def _next(self) -> list[Job]:
        """What is to be done now, in one go; nothing once the pool is closed."""
        with self._condition:
            while not self._closed:
                if jobs := self._queue.take(sharers=self.count):
                    self._running.append(jobs)
                    return jobs
                self._condition.wait()
        return []

    def _perform(
        self, work: Callable[[Sequence[Wanted[Any]]], Sequence[Any]], jobs: Sequence[Job]
    ) -> list[Tell]:
        try:
            results = work([Wanted(job.item, job.stop) for job in jobs])
        # A worker outlives its jobs, whatever they raise: a panic of Rust's is no Exception.
        except BaseException as error:
            if len(jobs) == 1:
                return [partial(jobs[0].fail, self._translated(error))]
            # A library does not say whose fault it was.
            return [tell for job in jobs for tell in self._perform(work, [job])]
        return [partial(job.succeed, r) for job, r in zip(jobs, results, strict=True)]

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

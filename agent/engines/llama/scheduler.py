"""Many conversations in one context, one step at a time. No thread, no clock: `step()` is called.

Each step is one call of llama.cpp: the replies being made go on by one token each, and some tokens
of prompts are read (`shares.py` says whose). Between steps jobs come, go and are cancelled. A
conversation's tokens stay in the cache (`places.py`), so that a turn reads only what is new.

Promises: a job that was submitted ends exactly once, by its sink; a job that is cancelled takes
part in no later step; one that is alone always finds room; a failing library fails the jobs that
it was working on, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.engines.llama.alternation import Alternation
from agent.engines.llama.calling import Calling
from agent.engines.llama.job import Job, Opening, Sink
from agent.engines.llama.places import Places
from agent.engines.llama.prompts import Prompts
from agent.engines.llama.reply import ReplyText
from agent.engines.llama.runtime import NO_ADAPTER, DecodeFailed, Entry, Runtime
from agent.engines.llama.shares import Demand, Shares, divide
from agent.engines.protocols import Priority, ReplyRequest
from agent.errors import EngineError, EngineFailed


@dataclass(slots=True)
class Counts:
    """What was done since the start, in tokens."""

    prompt: int = 0
    """Of prompts that were placed."""
    reused: int = 0
    """Of these, found in the cache."""
    read: int = 0
    """Of prompts, openings included, that went through the model."""
    replied: int = 0
    unread: int = 0
    """Of prompts of committed replies that were placed, not found in the cache."""
    steps: int = 0
    evictions: int = 0
    """Conversations that lost their place."""


class Scheduler:
    """The jobs of one runtime. `openings`: system prompts that are kept for the calls to come."""

    def __init__(
        self,
        runtime: Runtime,
        prompts: Prompts,
        *,
        shares: Shares,
        openings: int,
        stops: Sequence[str] = (),
    ) -> None:
        self._runtime = runtime
        self._prompts = prompts
        self._shares = shares
        self._stops = stops
        self._places = Places(runtime, openings=openings)
        self._alternation = Alternation()
        self._waiting: list[Job] = []
        self._running: list[Job] = []
        self._last_number = 0
        self._counts = Counts()
        self._closed: EngineError | None = None

    @property
    def busy(self) -> bool:
        """A step has something to do."""
        return bool(self._waiting or self._running or self._places.reading())

    @property
    def counts(self) -> Counts:
        self._counts.evictions = self._places.evictions
        return self._counts

    @property
    def jobs(self) -> list[Job]:
        """Those that are not over. Of another thread's asking, the picture of a moment."""
        return [*self._running, *self._waiting]

    def submit(
        self,
        request: ReplyRequest,
        sink: Sink,
        *,
        replies: bool,
        now: float = 0.0,
    ) -> Job:
        """A reply to be made or, not `replies`, its messages to be read ahead of one.

        `now` is kept as the time in which it was asked for."""
        self._last_number += 1
        priority = request.priority if replies else Priority.PARTIAL
        job = Job(request, sink, replies, now, self._last_number, priority)
        if self._closed is not None:
            _over(job, self._closed)
        elif not replies and self._has_urgent_reading():
            _over(job, None)
        else:
            self._prepare(job)
        return job

    def commit(self, conversation: str) -> None:
        """Its speculations are committed: from the next step on they are served as such."""
        for job in self.jobs:
            if job.conversation == conversation and job.replies:
                job.priority = Priority.COMMITTED

    def cancel(self, job: Job) -> None:
        """It takes part in no further step. What it has read stays in the cache. Idempotent."""
        self._end(job, None)

    def forget(self, conversation: str) -> None:
        """Its jobs end, and its place in the cache is free."""
        for job in self.jobs:
            if job.conversation == conversation:
                self._end(job, None)
        self._places.release(conversation)
        self._prompts.forget(conversation)

    def read_beside(self, tokens: int) -> None:
        """From the next step on, so many tokens of prompts are read beside replies."""
        if tokens != self._shares.beside_replies:
            self._shares = replace(self._shares, beside_replies=tokens)

    def step(self) -> None:
        """One call of the library, if there is anything to do."""
        self._counts.steps += 1
        self._admit()
        everyone: list[Job | Opening] = [*self._running, *self._places.reading()]
        if not everyone:
            return
        adapter, taken = self._divide([work.demand() for work in everyone])
        working = [work for work in everyone if work.number in taken]
        batch = [entry for work in working for entry in _entries(work, taken[work.number])]
        try:
            answers = iter(enumerate(self._runtime.decode(batch, adapter)))
        except DecodeFailed as error:
            self._fail_running(error)
            return
        for work in working:
            self._advance(work, taken[work.number])
        for work in working:
            if isinstance(work, Job) and work.replies and not work.unread:
                self._go_on(work, *next(answers))

    def close(self, error: EngineError) -> None:
        """All jobs end with this error, now and from now on."""
        self._closed = error
        for job in self.jobs:
            self._end(job, error)

    def _divide(self, demands: list[Demand]) -> tuple[str, dict[int, int]]:
        """The next step's adapter, and the tokens of each job and opening in it."""
        if not self._runtime.adapters:
            return NO_ADAPTER, divide(demands, self._shares)
        adapter = self._alternation.choose(demands)
        own = [demand for demand in demands if demand.adapter == adapter]
        others = [demand for demand in demands if demand.adapter != adapter]
        return adapter, divide(own, self._shares, others=others)

    def _prepare(self, job: Job) -> None:
        try:
            self._know(job.adapter)
            job.prompt = self._prompts.of(job.request, finished=job.replies)
            job.calling = self._calling(job)
        except EngineError as error:
            _over(job, error)
            return
        begins = (job.calling.begins,) if job.calling else ()
        job.text = ReplyText((*self._stops, *begins))
        self._supersede(job)
        self._waiting.append(job)

    def _know(self, adapter: str) -> None:
        if adapter and adapter not in self._runtime.adapters:
            raise EngineFailed("llm", f"no adapter {adapter} was loaded: set llm.llama.adapters")

    def _calling(self, job: Job) -> Calling | None:
        if not job.replies or not (job.request.tools.tools or job.request.grammar):
            return None
        return Calling(job.request, self._prompts.notation, self._runtime)

    def _supersede(self, job: Job) -> None:
        """What of the same conversation makes no sense any more beside this job."""
        for other in self.jobs:
            if other.conversation != job.conversation:
                continue
            if not other.replies:
                self._end(other, None)
            elif job.priority < other.priority:
                message = "a committed reply of the same call took this speculation's place"
                self._end(other, EngineFailed("llm", message))

    def _has_urgent_reading(self) -> bool:
        """Something more urgent than reading along has yet to be read."""
        return any(job.replies and job.unread for job in self.jobs)

    def _admit(self) -> None:
        """Places for those who wait, the most urgent first; nobody overtakes for want of room."""
        for opening in self._places.reading():
            opening.priority = Priority.PARTIAL  # unless somebody still waits for it
        room = True
        for job in sorted(self._waiting, key=lambda j: (j.priority, j.number)):
            if any(other.conversation == job.conversation for other in self._running):
                continue
            room = room and self._start(job)
            if not room and not job.replies:
                self._end(job, None)

    def _start(self, job: Job) -> bool:
        """Place the job, or let it wait for its opening; False: there is no room for it."""
        opening = self._places.opening_of(job, self._counts.steps, self._running)
        if opening is not None and opening.unread:
            return True
        if opening is not None and not job.prompt.max_tokens:
            self._end(job, None)  # the opening was all that it wanted
            return True
        if not job.prompt.tokens:
            self._end(job, None)
            return True
        if not self._places.place(job, opening, self._running):
            return False
        self._waiting.remove(job)
        self._running.append(job)
        self._counts.prompt += len(job.prompt.tokens)
        self._counts.reused += job.read
        job.reused = job.read
        if job.replies and job.priority is Priority.COMMITTED:
            self._counts.unread += job.unread
        if not job.replies and not job.unread:
            self._end(job, None)
        return True

    def _advance(self, work: Job | Opening, tokens: int) -> None:
        """Note what the library has just read."""
        assert work.sequence is not None  # only what has a place takes part in a step
        if work.unread:
            source = work.tokens if isinstance(work, Opening) else work.prompt.tokens
            self._places.append(work.sequence, source[work.read : work.read + tokens])
            work.read += tokens
            self._counts.read += tokens
            if isinstance(work, Opening) and not work.unread:
                self._runtime.keep(work.sequence, work.tokens, work.adapter)
        elif isinstance(work, Job) and work.next is not None:
            self._places.append(work.sequence, [work.next])
        if isinstance(work, Job):
            work.served = self._counts.steps
            if not work.replies and not work.unread:
                self._end(work, None)

    def _go_on(self, job: Job, answer: int, likeliest: int) -> None:
        """One more token of the reply, or its end. `answer`: its number in the last decode."""
        try:
            token = job.calling.choose(answer, likeliest) if job.calling else likeliest
            self._take(job, token)
        except EngineError as error:
            self._end(job, error)

    def _take(self, job: Job, token: int) -> None:
        if self._runtime.ends(token):
            self._finish(job)
            return
        job.next = token
        job.made += 1
        self._counts.replied += 1
        if job.calling is None or not job.calling.is_call:
            if piece := job.text.feed(self._runtime.piece(token)):
                job.sink.piece(piece)
        if job.text.stopped or job.made >= job.limit:
            self._finish(job)

    def _finish(self, job: Job) -> None:
        calls = job.calling.calls() if job.calling else []
        if not calls and (rest := job.text.finish()):
            job.sink.piece(rest)
        for call in calls:
            job.sink.call(call)
        self._end(job, None)

    def _end(self, job: Job, error: EngineError | None) -> None:
        for jobs in (self._running, self._waiting):
            if job in jobs:
                jobs.remove(job)
                _over(job, error)

    def _fail_running(self, cause: DecodeFailed) -> None:
        """The library failed: nobody knows what the cache holds, so that it begins anew."""
        error = EngineFailed("llm", f"llama.cpp failed: {cause}")
        error.__cause__ = cause
        for job in list(self._running):
            self._end(job, error)
        self._places.clear()


def _over(job: Job, error: EngineError | None) -> None:
    if job.calling is not None:
        job.calling.close()
    job.sink.end(error)


def _entries(work: Job | Opening, tokens: int) -> list[Entry]:
    """What one participant adds to the batch."""
    assert work.sequence is not None  # only what has a place takes part in a step
    if isinstance(work, Job) and not work.unread:
        assert work.next is not None  # it was chosen when the prompt had been read
        position = len(work.prompt.tokens) + work.made - 1
        return [Entry(work.next, position, work.sequence, True)]
    source = work.tokens if isinstance(work, Opening) else work.prompt.tokens
    end = work.read + tokens
    entries = [Entry(source[at], at, work.sequence, False) for at in range(work.read, end)]
    if isinstance(work, Job) and work.replies and end == len(source):
        entries[-1].answer = True
    return entries

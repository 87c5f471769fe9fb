"""llama.cpp's batches: the tokens of one call, and those that fill it up and are forgotten again.

`parts.py` tells why. Filling tokens go to the end of a sequence, where nothing that is kept looks
at them: that of a prompt, or beside replies those of the sequences next to theirs. They need room
that nobody has promised them: where there is none, they are left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import llama_cpp

from agent.engines.llama.parts import AT_LEAST, AT_ONCE, covered, filled
from agent.engines.llama.runtime import DecodeFailed, Entry

_NO_ROOM = 1  # what llama_decode answers then, with nothing changed
_TRIES = 3


class Batch:
    """The calls of one context. `split`: each of its `sequences` has memory of its own."""

    def __init__(self, context: Any, *, most: int, sequences: int, split: bool) -> None:
        self._context = context
        self._memory = llama_cpp.llama_get_memory(context)
        self._sequences = sequences
        self._split = split
        self.fills = False
        """Whether calls are filled up."""
        self._room = room_of(most)
        self._batch = llama_cpp.llama_batch_init(self._room, 0, 1)
        for i in range(self._room):
            self._batch.n_seq_id[i] = 1

    def close(self) -> None:
        llama_cpp.llama_batch_free(self._batch)

    def decode(self, entries: Sequence[Entry]) -> None:
        """One call. Raises DecodeFailed."""
        result, whole = _NO_ROOM, self._filled(entries) if self.fills else entries
        if len(whole) > len(entries):
            result = self._call(whole)
            self._forget(whole, entries)
        if result == _NO_ROOM:
            result = self._call(entries)
        if result != 0:
            raise DecodeFailed(f"llama_decode returned {result} for {len(entries)} tokens")

    def seconds(self, tokens: int) -> float:
        """What so many tokens take at best. For an empty cache, which it leaves empty."""
        entries, best = [Entry(0, at, 0, False) for at in range(tokens)], float("inf")
        for _ in range(_TRIES):
            began = time.perf_counter()
            self.decode(entries)
            llama_cpp.llama_synchronize(self._context)
            best = min(best, time.perf_counter() - began)
            llama_cpp.llama_memory_clear(self._memory, False)
        return best

    def fill_where_it_pays(self) -> None:
        """Fill up from now on if four tokens take less time than three: not all weights are
        multiplied so, nor on all processors. For an empty cache."""
        self.decode([Entry(0, 0, 0, False)])  # buffers are made and weights are mapped now
        llama_cpp.llama_memory_clear(self._memory, False)
        self.fills = self.seconds(AT_LEAST) < self.seconds(AT_LEAST - 1)

    def _filled(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """The entries, and what fills them up."""
        last = entries[-1]
        if self._split and entries[0].sequence != last.sequence:
            return self._joined(entries)
        missing = filled(len(entries)) - len(entries)
        ends = range(last.position + 1, last.position + 1 + missing)
        return [*entries, *(Entry(last.token, at, last.sequence, False) for at in ends)]

    def _joined(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """One token for each sequence, in order, and one for those others that fill them up."""
        own = {entry.sequence: entry for entry in entries}
        sequences = covered(tuple(own), self._sequences)
        if len(sequences) > self._room:
            return entries
        return [own[s] if s in own else self._next(s, entries[0].token) for s in sequences]

    def _next(self, sequence: int, token: int) -> Entry:
        end = llama_cpp.llama_memory_seq_pos_max(self._memory, sequence)
        return Entry(token, end + 1, sequence, False)

    def _forget(self, whole: Sequence[Entry], entries: Sequence[Entry]) -> None:
        """What was only there to fill up."""
        kept = {id(entry) for entry in entries}
        for entry in whole:
            if id(entry) not in kept:
                llama_cpp.llama_memory_seq_rm(self._memory, entry.sequence, entry.position, -1)

    def _call(self, entries: Sequence[Entry]) -> int:
        batch = self._batch
        tokens, positions, sequences, wanted = batch.token, batch.pos, batch.seq_id, batch.logits
        for i, entry in enumerate(entries):
            tokens[i], positions[i], sequences[i][0] = entry.token, entry.position, entry.sequence
            wanted[i] = entry.answer
        batch.n_tokens = len(entries)
        return int(llama_cpp.llama_decode(self._context, batch))


def room_of(most: int) -> int:
    """Tokens of a call that is filled up, when it has `most` of its own."""
    return -(-most // AT_ONCE) * AT_ONCE

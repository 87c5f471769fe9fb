"""llama-cpp-python's `Llama()` in a process of its own, for `bench.llm`.

    python -m bench.llm_locked MODEL.gguf CONTEXT THREADS GPU_LAYERS

Reads one request a line, as JSON: `messages` and `max_tokens`. Answers with a line for each piece
of the reply, and `null` after the last one.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import llama_cpp


def main() -> None:
    path, context, threads, layers = sys.argv[1], *map(int, sys.argv[2:])
    model: Any = llama_cpp.Llama(
        path,
        n_ctx=context,
        n_threads=threads,
        n_threads_batch=threads,
        n_gpu_layers=layers,
        verbose=False,
    )
    for line in sys.stdin:
        chunks = model.create_chat_completion(**json.loads(line), temperature=0, stream=True)
        for chunk in chunks:
            if text := chunk["choices"][0]["delta"].get("content"):
                print(json.dumps(text), flush=True)
        print("null", flush=True)


if __name__ == "__main__":
    main()

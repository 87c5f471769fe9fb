"""Conversations held with a server in a process of its own, measured from the caller's side.

`python -m bench.conversation` runs every part and writes `bench/results/conversation.json` and
`conversation.html`. A part is a module with a `measure(quick)`; it answers a `Part`.
"""

"""How many calls a machine can hold, and what becomes of more: `python -m bench.capacity`."""

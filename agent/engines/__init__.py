"""What we call: one file per library, each behind a Protocol of `protocols.py`."""

"""Headers that this server's answers bring beside HTTP's own."""

from __future__ import annotations

RESUME_TOKEN = "Chuimsae-Resume-Token"
RESUME_WITHIN = "Chuimsae-Resume-Within"
"""What an answer brings for the day on which the caller's network changes: the key to the call, and
for how many seconds it is kept."""

"""Decisions: no asyncio, no clock, no I/O. Time comes in as seconds of audio or as an argument."""

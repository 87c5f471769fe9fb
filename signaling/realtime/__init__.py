"""OpenAI's Realtime protocol (GA), over a WebSocket or a data channel. Begin with `session.py`."""

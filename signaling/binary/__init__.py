"""Calls over one WebSocket as typed binary messages (FlatBuffers): Opus instead of base64 PCM."""

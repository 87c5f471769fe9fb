"""Packet in to packet out: the call's ear and mouth, Opus, and the question "is this speech?"."""

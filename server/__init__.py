"""The process: configuration, models, the live calls, and everything put together."""

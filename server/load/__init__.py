"""How strained the server is: readings, and the ladder that they are climbed by."""

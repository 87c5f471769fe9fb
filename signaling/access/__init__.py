"""Who may come in: keys, client secrets, origins, limits. One middleware asks; the doors need not.

settings.py    what can be set
keys.py        API keys: made, kept as hashes, compared in constant time
addresses.py   where a request comes from, also behind proxies that are trusted
origins.py     which sites' pages may call (CORS, and sockets, which CORS does not cover)
roster.py      whose the live calls are, and how many more may begin
guard.py       the middleware: a request in, its `Grant` or a refusal out
"""

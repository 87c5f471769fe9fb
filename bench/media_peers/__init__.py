"""Other voice agent servers, set beside ours by `bench.media --peers`.

Each is a process in an environment of its own (`build/peers-venv`, made by `environment.py` from
`requirements.txt`) that takes the benchmark's calls: `POST /offer`, `GET /usage`. Their engines are
instant fakes, their voice detection is their own; what is left is what they themselves cost.
"""

"""static/realtime.d.ts lets its users write what static/realtime.js does."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def test_a_typescript_client_compiles(clients: Path) -> None:
    done = subprocess.run(
        ["node", "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--target", "es2022",
         "--module", "nodenext", "--lib", "es2023,dom", "--skipLibCheck", "types.ts"],
        cwd=clients, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout

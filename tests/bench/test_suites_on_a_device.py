"""The suites where arrays lie on a device: NumPy must not touch them behind a backend's back.

``tests/device.py`` takes the place of CuPy. What starts processes of its own stays out: these would
know nothing of it.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_case_once() -> None:
    command = [sys.executable, "-m", "pytest", "bench", "-p", "tests.bench.as_cupy", "-q", "-rfE"]
    command += ["--backend", "cupy", "--benchmark-disable", "-p", "no:cacheprovider"]
    command += ["--ignore=bench/test_peers.py", "-k", "not memory"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    passed = int(done.stdout.split(" passed")[0].split()[-1])
    assert passed > 70, done.stdout[-400:]

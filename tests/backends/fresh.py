"""Run code in a fresh process: for what an import does, and for libraries that are not there."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import accelnn

ROOT = Path(accelnn.__file__).parent.parent


def python(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with ``arguments`` on this accelnn and return what it printed."""
    kept = {k: v for k, v in os.environ.items() if k not in ("ACCELNN_BACKEND", "ACCELNN_DATA")}
    path = os.pathsep.join([str(ROOT), kept.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return subprocess.run(
        [sys.executable, *arguments],
        env=kept | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def printed(code: str, **environment: str) -> Any:
    """Run ``code`` and return the JSON it printed last."""
    done = python("-c", code, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])

"""Python code in a process of its own, which may be interrupted, and answers in JSON."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

#: What all such code begins with.
HEAD = """
import json, os, signal, sys, threading, warnings
import numpy as np
from accelnn import MLPClassifier, MLPRegressor

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.standard_normal((400, 12))
y = (X @ rng.standard_normal((12, 3))).argmax(axis=1)
SMALL = {"hidden_layer_sizes": (32, 16), "random_state": 0, "backend": sys.argv[1]}

def weights(model):
    return [[x.hex() for x in np.ravel(w).tolist()] for w in model.coefs_ + model.intercepts_]
"""


def start(code: str, backend: str) -> "subprocess.Popen[str]":
    """Start HEAD and code."""
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + code, backend],
        env={**os.environ, "NUMBA_NUM_THREADS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: "subprocess.Popen[str]") -> Any:
    """Wait for a process to end and return the JSON that it printed."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, f"exit {process.returncode}\n{err}"
    return json.loads(out)


def run(code: str, backend: str) -> Any:
    """Run HEAD and code, and return the JSON that it prints."""
    return answer(start(code, backend))


def interrupted(code: str, backend: str) -> Any:
    """Send SIGINT once the code has printed "ready", and return the JSON printed then."""
    process = start(code, backend)
    assert process.stdout is not None
    for line in process.stdout:
        if line == "ready\n":
            process.send_signal(signal.SIGINT)
            break
    return answer(process)

"""The closed set of a program, as numbers: one record per layer, codes for losses and updates.

A program is a list of these records over flat buffers. ``accelnn/program.py`` writes them; the
step-by-step runner and the compiled Numba program read them. A layer that enters the set gets a
code here, a row in both readers and kernels in all four folders.
"""

from typing import Any

import numpy as np

LAYERS = (
    "linear",
    "dropout",
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "softmax",
    "log_softmax",
)
(LINEAR, DROPOUT, IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, SOFTMAX, LOG_SOFTMAX) = range(10)

LOSSES = ("squared_error", "binary_cross_entropy", "cross_entropy", "poisson", "perceptron")
SQUARED_ERROR, BINARY_CROSS_ENTROPY, CROSS_ENTROPY, POISSON, PERCEPTRON = range(5)

UPDATES = ("none", "sgd", "momentum", "adam")
NO_UPDATE, SGD, MOMENTUM, ADAM = range(4)

#: One layer. Offsets count elements: ``weight`` and ``bias`` in the parameters (bias -1: none),
#: ``source`` and ``target`` in the workspace, where an array of ``rows`` rows starts.
RECORD = np.dtype(
    [
        ("kind", np.int64),
        ("n_in", np.int64),
        ("n_out", np.int64),
        ("weight", np.int64),
        ("bias", np.int64),
        ("source", np.int64),
        ("target", np.int64),
        ("scalar", np.float64),  # slope of leaky_relu, alpha of elu, p of dropout
        ("seed", np.uint64),  # of dropout
        ("call", np.uint64),  # of dropout: counted up by each training step
    ]
)


def layer_name(table: Any, target: int) -> str:
    """Return how a profile calls the layer that writes to ``target``.

    "Linear 2" is the second Linear and what follows it, up to the next; "input" is what comes
    before the first.
    """
    number = int(((table["kind"] == LINEAR) & (table["target"] <= target)).sum())
    return f"Linear {number}" if number else "input"

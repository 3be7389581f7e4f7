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
    "log_sigmoid",
    "hardtanh",
    "gelu",
    "gelu_tanh",
    "silu",
    "step",
    "maxout",
)
(LINEAR, DROPOUT, IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, SOFTMAX, LOG_SOFTMAX) = range(10)
(LOG_SIGMOID, HARDTANH, GELU, GELU_TANH, SILU, STEP, MAXOUT) = range(10, 17)

#: Layers whose backward kernel reads z, since the output does not tell it. They never overwrite
#: their source; the backward of all others reads the target.
READS_Z = (GELU, GELU_TANH, SILU, MAXOUT)
#: What the kernels of a layer call the numbers of its record, ``scalar`` and then ``second``.
NUMBERS: dict[int, tuple[str, ...]] = {
    DROPOUT: ("p",),
    LEAKY_RELU: ("slope",),
    ELU: ("alpha",),
    HARDTANH: ("low", "high"),
    STEP: ("low", "at_zero"),
    MAXOUT: ("pieces",),
}

LOSSES = ("squared_error", "binary_cross_entropy", "cross_entropy", "poisson", "perceptron")
SQUARED_ERROR, BINARY_CROSS_ENTROPY, CROSS_ENTROPY, POISSON, PERCEPTRON = range(5)

UPDATES = ("none", "sgd", "momentum", "adam")
NO_UPDATE, SGD, MOMENTUM, ADAM = range(4)

#: One layer, 11 words of 8 bytes. Offsets count elements: ``weight`` and ``bias`` in the parameters
#: (bias -1: none), ``source`` and ``target`` in the workspace, where an array of ``rows`` rows
#: starts. ``n_in`` and ``n_out`` differ for Linear and maxout only.
RECORD = np.dtype(
    [
        ("kind", np.int64),
        ("n_in", np.int64),
        ("n_out", np.int64),
        ("weight", np.int64),
        ("bias", np.int64),
        ("source", np.int64),
        ("target", np.int64),
        ("scalar", np.float64),  # the first and
        ("second", np.float64),  # the second of ``NUMBERS``, 0 where there is none
        ("seed", np.uint64),  # of dropout
        ("call", np.uint64),  # of dropout: counted up by each training step
    ]
)


def backward_of(kind: int) -> str:
    """Return the name of an activation's backward kernel."""
    return LAYERS[kind] + ("_backward_z" if kind in READS_Z else "_backward")


def numbers_of(record: Any) -> dict[str, Any]:
    """Return the numbers of a layer's record by the names that its kernels give them."""
    kind = int(record["kind"])
    if kind == MAXOUT:
        return {"pieces": int(record["scalar"])}
    fields = zip(NUMBERS.get(kind, ()), ("scalar", "second"), strict=False)
    return {name: float(record[field]) for name, field in fields}


def layer_name(table: Any, target: int) -> str:
    """Return how a profile calls the layer that writes to ``target``.

    "Linear 2" is the second Linear and what follows it, up to the next; "input" is what comes
    before the first.
    """
    number = int(((table["kind"] == LINEAR) & (table["target"] <= target)).sum())
    return f"Linear {number}" if number else "input"

"""Whether PyTorch and JAX can take part; asked in a process of each."""

import os
from importlib import import_module

from accelnn.bench.gpu_device import Device


def absence(device: Device, library: str) -> str:
    """Return why a library cannot take part; nothing where it can."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the GPU is not JAX's alone
    try:
        module = import_module(library)
        if device.kind == "cuda" and library == "torch" and not module.cuda.is_available():
            return f"PyTorch {module.__version__} finds no GPU"
        if device.kind == "cuda" and library == "jax" and module.default_backend() != "gpu":
            return f"JAX {module.__version__} runs on {module.default_backend()!r}, not on a GPU"
    except Exception as error:  # a broken installation can raise anything
        return f"{type(error).__name__}: {error}"
    return ""

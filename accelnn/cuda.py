"""What PyTorch code asks of ``torch.cuda``: whether there is a GPU to work on."""

from accelnn.backends import list_backends


def is_available() -> bool:
    """Whether the CuPy backend can run here; ``accelnn.list_backends()`` says why not.

    Asking initialises CUDA in this process, if CuPy is installed. Never raises.
    """
    return any(status.name == "cupy" and status.usable for status in list_backends())

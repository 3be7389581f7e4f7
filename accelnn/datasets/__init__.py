"""Data to train on: MNIST with its file format, and the digits that need no network."""

from accelnn.datasets.dataset import Dataset
from accelnn.datasets.default import load_default
from accelnn.datasets.digits import load_digits
from accelnn.datasets.idx import read_idx, write_idx
from accelnn.datasets.mnist import load_mnist, prepare_mnist

__all__ = [
    "Dataset",
    "load_default",
    "load_mnist",
    "load_digits",
    "prepare_mnist",
    "read_idx",
    "write_idx",
]

"""Names that PyTorch has and accelnn has not."""

import subprocess
import sys

import pytest

from accelnn import nn, optim


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Conv2d", "convolution"),
        ("MaxPool2d", "pooling"),
        ("LSTM", "recurrence"),
        ("GRUCell", "recurrence"),
        ("Transformer", "attention"),
        ("MultiheadAttention", "attention"),
        ("Embedding", "embedding"),
        ("BatchNorm2d", "images"),
    ],
)
def test_layers_outside(name: str, kind: str) -> None:
    with pytest.raises(AttributeError, match=f"'accelnn.nn' has no attribute '{name}': accelnn is"):
        getattr(nn, name)
    with pytest.raises(AttributeError, match=f"dense networks.*layers for {kind} are outside it"):
        getattr(nn, name)
    assert not hasattr(nn, name)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Relu", "ReLU"),
        ("Leakyrelu", "LeakyReLU"),
        ("CrossEntropy", "CrossEntropyLoss"),
        ("Sequental", "Sequential"),
    ],
)
def test_the_nearest_name(typed: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{typed}'; did you mean {meant}\\?"):
        getattr(nn, typed)


def test_optimizers() -> None:
    with pytest.raises(AttributeError, match=r"has SGD, Adam, .*; MLPClassifier .* solver='lbfgs'"):
        getattr(optim, "LBFGS")  # noqa: B009
    with pytest.raises(AttributeError, match="has SGD, Adam, AdamW and RMSprop"):
        getattr(optim, "Adagrad")  # noqa: B009
    with pytest.raises(AttributeError, match=r"did you mean Adam\?"):
        getattr(optim, "adam_")  # noqa: B009


def test_a_name_near_nothing() -> None:
    with pytest.raises(AttributeError, match=r"^module 'accelnn.nn' has no attribute 'xyzzy'$"):
        getattr(nn, "xyzzy")  # noqa: B009


def test_an_import_says_so_too() -> None:
    code = "from accelnn.nn import Conv2d"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "ImportError: cannot import name 'Conv2d'" in done.stderr

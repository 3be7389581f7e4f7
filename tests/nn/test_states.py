"""State dicts: a bias that is a column, and PyTorch's own."""

import numpy as np
import pytest

from accelnn import Parameter, nn
from accelnn.backends import Backend

# A bias that is a column --------------------------------------------------------------------------


def test_a_column_of_biases_is_refused(backend: Backend) -> None:
    layer = nn.Linear(2, 3, backend=backend)
    layer.bias = Parameter(np.zeros((3, 1), "float32"), backend=backend)
    message = (
        r"bias of shape \(3,\) for its weight of shape \(3, 2\), got \(3, 1\); .* reshape\(3\)"
    )
    with pytest.raises(ValueError, match=message.replace(" reshape", " use bias.reshape")):
        layer([[1.0, 2.0]])
    layer.bias = Parameter(layer.bias.numpy().reshape(3), backend=backend)
    assert layer([[1.0, 2.0]]).shape == (1, 3)
    with pytest.raises(ValueError, match=r"bias: shape \(3, 1\), expected \(3,\)"):
        layer.load_state_dict(layer.state_dict() | {"bias": np.zeros((3, 1))})


# PyTorch ------------------------------------------------------------------------------------------


def test_states_go_to_pytorch_and_back() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
    shapes = ((4, 3), (3, 2))
    ours = nn.Sequential(nn.Linear(*shapes[0]), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(*shapes[1]))
    theirs = torch.nn.Sequential(
        torch.nn.Linear(*shapes[0]),
        torch.nn.BatchNorm1d(3),
        torch.nn.Tanh(),
        torch.nn.Linear(*shapes[1]),
    )
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    state = {name: torch.from_numpy(value) for name, value in ours.state_dict().items()}
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict(state)
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(x).numpy(), expected, rtol=1e-4, atol=1e-5)
    again = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 2))
    again.load_state_dict(theirs.state_dict())
    assert again[1].running_mean.tolist() == theirs[1].running_mean.tolist()  # type: ignore[attr-defined]
    np.testing.assert_allclose(again(x).numpy(), expected, rtol=1e-4, atol=1e-5)

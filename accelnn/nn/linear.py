"""The affine layer."""

from typing import Any, SupportsIndex

from accelnn.autograd import Parameter, Tensor
from accelnn.backends import Backend, resolve_backend
from accelnn.devices import backend_of
from accelnn.nn import functional as F
from accelnn.nn.init import uniform
from accelnn.nn.module import Module


class Linear(Module):
    """Affine map ``y = x Wᵀ + b`` of the last axis.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    dtype : {"float32", "float64"}
    backend : str or Backend
    device : str or Backend, optional
        PyTorch's word for it: "cpu", "cuda", "cuda:1"; see ``Module.to``.

    Attributes
    ----------
    weight : Parameter of shape (out_features, in_features)
        The transpose of a C-ordered storage (in_features, out_features), which is what the
        kernels work on.
    bias : Parameter of shape (out_features,), or None

    Notes
    -----
    Input (..., in_features), output (..., out_features). Both start from U(-k, k) with
    k = 1/√in_features, as in PyTorch.

    Examples
    --------
    >>> import accelnn
    >>> layer = accelnn.nn.Linear(4, 3)
    >>> layer([[1.0, 2.0, 3.0, 4.0]]).shape
    (1, 3)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = "float32",
        backend: str | Backend = "auto",
        device: str | Backend | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("in_features", in_features), ("out_features", out_features)):
            if not isinstance(value, SupportsIndex) or value < 0:
                raise ValueError(f"{name} must be an integer of at least 0, got {value!r}")
        if str(dtype).rpartition(".")[2].strip("'>") not in ("float32", "float64"):
            raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
        self.in_features, self.out_features = int(in_features), int(out_features)
        held = _place(backend, device)
        storage = held.asarray(uniform((in_features, out_features), in_features, dtype))
        self.weight = Parameter(storage.T, backend=held)
        self.bias: Parameter | None = None
        if bias:
            self.bias = Parameter(uniform((out_features,), in_features, dtype), backend=held)

    @classmethod
    def from_storage(cls, w: Any, b: Any, backend: Backend) -> "Linear":
        """Return a layer over given arrays: storage w (in_features, out_features), b or None."""
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer.in_features, layer.out_features = (int(n) for n in w.shape)
        layer.weight = Parameter(backend.asarray(w).T, backend=backend)
        layer.bias = None if b is None else Parameter(b, backend=backend)
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        return F.linear(x, self.weight, self.bias)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "in_features": self.in_features,
            "out_features": self.out_features,
            "bias": self.bias is not None,
            "dtype": str(self.weight.dtype),
        }


def _place(backend: str | Backend, device: str | Backend | None) -> Backend:
    """Return the backend of a layer from either of the two arguments that name it."""
    if device is None:
        return resolve_backend(backend)
    if backend != "auto":
        raise ValueError(f"give backend or device, not both; got {backend!r} and {device!r}")
    return backend_of(device)

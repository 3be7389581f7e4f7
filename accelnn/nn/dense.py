"""A layer by hand: forward and backward as two calls on arrays, as lecture notes write them.

Nothing is recorded: forward returns what backward needs, and backward is the chain rule in three
products. With a batch of n rows, ``∘`` element by element::

    forward     Z = A_prev Wᵀ + b      (n, out)        A  = g(Z)          (n, out)

    backward    dZ = dA ∘ g'(Z)        (n, out)        db = Σ_rows dZ     (out,)
                dW = dZᵀ A_prev        (out, in)       dA_prev = dZ W     (n, in)

For softmax, whose outputs depend on the whole row, dZ is the product of dA and the Jacobian.
"""

from typing import Any, NamedTuple

from accelnn.autograd import Parameter, Tensor
from accelnn.backends import Backend
from accelnn.nn.functional import c_ordered
from accelnn.nn.linear import Linear


class _Activation(NamedTuple):
    """Kernels of an activation: backward reads the output ``a``, or ``z`` where it must."""

    forward: str
    backward: str
    reads_z: bool = False
    numbers: dict[str, float] = {}  # noqa: RUF012 - never written to


#: Name -> its kernels, with PyTorch's numbers where it has any.
ACTIVATIONS = {
    "identity": _Activation("identity", "identity_backward"),
    "sigmoid": _Activation("sigmoid", "sigmoid_backward"),
    "logsigmoid": _Activation("log_sigmoid", "log_sigmoid_backward"),
    "tanh": _Activation("tanh", "tanh_backward"),
    "hardtanh": _Activation("hardtanh", "hardtanh_backward", False, {"low": -1.0, "high": 1.0}),
    "relu": _Activation("relu", "relu_backward"),
    "relu6": _Activation("hardtanh", "hardtanh_backward", False, {"low": 0.0, "high": 6.0}),
    "leaky_relu": _Activation("leaky_relu", "leaky_relu_backward", False, {"slope": 0.01}),
    "elu": _Activation("elu", "elu_backward_z", True, {"alpha": 1.0}),
    "gelu": _Activation("gelu", "gelu_backward_z", True),
    "silu": _Activation("silu", "silu_backward_z", True),
    "sign": _Activation("step", "step_backward", False, {"low": -1.0, "at_zero": 1.0}),
    "step": _Activation("step", "step_backward", False, {"low": 0.0, "at_zero": 1.0}),
    "softmax": _Activation("softmax", "softmax_backward"),
    "log_softmax": _Activation("log_softmax", "log_softmax_backward"),
}


class Cache(NamedTuple):
    """What ``Dense.forward`` keeps for ``Dense.backward``: arrays of the backend.

    Attributes
    ----------
    a_prev : array of shape (n, in_features)
    z, a : arrays of shape (n, out_features)
    single : bool
        Whether forward got one example without a batch axis.
    """

    a_prev: Any
    z: Any
    a: Any
    single: bool


class Dense:
    """Affine map and activation with the backward pass by hand: ``a = g(W a_prev + b)``.

    Parameters
    ----------
    in_features, out_features : int
    activation : str
        identity, sigmoid, logsigmoid, tanh, hardtanh, relu, relu6, leaky_relu, elu, gelu, silu,
        sign, step, softmax or log_softmax; with PyTorch's numbers where it has any.
    dtype : {"float32", "float64"}
    backend : str or Backend

    Attributes
    ----------
    weight : Parameter of shape (out_features, in_features)
    bias : Parameter of shape (out_features,), or None

    Notes
    -----
    This is what ``Linear`` and an activation do on the graph, from the same kernels; it is there to
    be read and stepped through. Nguyen (Glasgow) calls the two passes and their cache so.

    Examples
    --------
    >>> from accelnn import nn
    >>> layer = nn.Dense(2, 1, activation="relu")
    >>> layer.weight, layer.bias = nn.Parameter([[2.0, -1.0]]), nn.Parameter([0.5])
    >>> a, cache = layer.forward([[1.0, 1.0], [0.0, 3.0]])
    >>> a.tolist()
    [[1.5], [0.0]]
    >>> da_prev, dW, db = layer.backward([[1.0], [1.0]], cache)
    >>> da_prev.tolist(), dW.tolist(), db.tolist()
    ([[2.0, -1.0], [0.0, 0.0]], [[1.0, 1.0]], [1.0])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: str = "identity",
        *,
        dtype: Any = "float32",
        backend: str | Backend = "auto",
    ) -> None:
        linear = Linear(in_features, out_features, dtype=dtype, backend=backend)
        self._set(linear, activation)

    @classmethod
    def of(cls, linear: Linear, activation: str = "identity") -> "Dense":
        """Return the layer of an existing Linear, whose parameters they share."""
        if getattr(type(linear), "forward", None) is not Linear.forward:  # such as Maxout
            raise TypeError(f"Dense.of() takes a Linear, got {linear!r}")
        layer = cls.__new__(cls)
        layer._set(linear, activation)
        return layer

    def _set(self, linear: Linear, activation: str) -> None:
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {', '.join(ACTIVATIONS)}; got {activation!r}"
            )
        self.weight: Parameter = linear.weight
        self.bias: Parameter | None = linear.bias
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.activation = activation

    def forward(self, a_prev: Any) -> tuple[Any, Cache]:
        """Return the output and what backward needs.

        Parameters
        ----------
        a_prev : array or Tensor of shape (n, in_features), or (in_features,) for one example

        Returns
        -------
        a : array of shape (n, out_features) or (out_features,)
            Of the backend; there is no graph.
        cache : Cache

        Raises
        ------
        ValueError
            If the shape does not fit.
        TypeError
            If it is an array of floats of another dtype than the layer's.
        """
        n_in = self.weight.shape[1]
        x, single = self._rows("a_prev", a_prev, n_in)
        be, how = self.weight.backend, ACTIVATIONS[self.activation]
        w, flipped = c_ordered(self.weight.array)
        z = be.matmul(x, w, tb=flipped)
        if self.bias is not None:
            z = be.add_bias(z, self.bias.array)
        a = getattr(be, how.forward)(z, **how.numbers)
        return (a[0] if single else a), Cache(x, z, a, single)

    def backward(self, da: Any, cache: Cache) -> tuple[Any, Any, Any]:
        """Return the gradients of the input, the weight and the bias, from that of the output.

        Parameters
        ----------
        da : array or Tensor of the shape of ``a``
            Gradient of the loss. All three results are sums over the rows of a batch, without a
            factor 1/n: if ``da`` comes from a mean over the batch, the factor is in it already.
        cache : Cache
            From the forward pass whose gradient this is.

        Returns
        -------
        da_prev : array of shape (n, in_features) or (in_features,)
        dW : array of shape (out_features, in_features)
        db : array of shape (out_features,), or None without a bias
        """
        n_out = self.weight.shape[0]
        g, single = self._rows("da", da, n_out)
        if single != cache.single or g.shape != cache.a.shape:
            wanted = tuple(cache.a.shape[1:] if cache.single else cache.a.shape)
            got = tuple(g.shape[1:] if single else g.shape)
            raise ValueError(f"da must have the shape of the output, {wanted}, got {got}")
        be, how = self.weight.backend, ACTIVATIONS[self.activation]
        kept = cache.z if how.reads_z else cache.a
        dz = getattr(be, how.backward)(g, kept, **how.numbers)
        w, flipped = c_ordered(self.weight.array)
        da_prev = be.matmul(dz, w, tb=not flipped)
        dw = be.matmul(dz, cache.a_prev, ta=True)
        db = None if self.bias is None else be.sum_rows(dz)
        return (da_prev[0] if single else da_prev), dw, db

    def _rows(self, name: str, x: Any, width: int) -> tuple[Any, bool]:
        """Return ``x`` as (n, width) on the backend, and whether it was one example."""
        be, dtype = self.weight.backend, self.weight.array.dtype
        x = x.array if isinstance(x, Tensor) else x
        kind = str(getattr(x, "dtype", dtype)).rpartition(".")[2]
        if "float" in kind and kind != str(dtype).rpartition(".")[2]:
            raise TypeError(
                f"Dense of {dtype} got {name} of {kind}; convert it, or create the layer with "
                f"dtype={kind!r}"
            )
        held = be.asarray(x, dtype=dtype)
        shape = tuple(held.shape)
        if len(shape) not in (1, 2) or shape[-1] != width:
            raise ValueError(
                f"Dense expects {name} of shape (n, {width}), or ({width},) for one example, for "
                f"its weight of shape {self.weight.shape}; got {shape}"
            )
        single = len(shape) == 1
        held = be.xp.reshape(held, (-1, width)) if single else held
        return (be.xp.ascontiguousarray(held) if be.in_place else held), single

    def __repr__(self) -> str:
        return f"Dense({self.in_features}, {self.out_features}, activation={self.activation!r})"

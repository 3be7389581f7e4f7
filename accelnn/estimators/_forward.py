"""The forward pass of a fitted estimator, from whatever X is to NumPy's outputs."""

import warnings
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_is_fitted, validate_data

from accelnn.backends import Backend, get_backend, resolve_backend
from accelnn.checking import as_features, as_given, from_gpu
from accelnn.errors import BackendUnavailable
from accelnn.estimators import _network

#: Numbers that a forward pass holds per layer: enough for products at full speed, small in memory.
_CHUNK = 2**22
#: Up to so many rows of a model fitted on one of these are predicted by NumPy.
_FEW, _ON_THE_CPU = 16, ("numpy", "numba")


class ForwardPass:
    """What ``predict`` and its like are made of."""

    backend: Any
    backend_: str
    coefs_: list[Any]
    out_activation_: str

    def _outputs(self, X: Any) -> Any:
        """Return ``out_activation_`` of the network for X, (n, n_outputs), as a NumPy array."""
        z = self._forward(self._readable(X), len(self.coefs_))
        return self._activated(z)

    def _activated(self, z: Any) -> Any:
        """Apply the output activation to raw outputs, in place."""
        host = get_backend("numpy")
        if self.out_activation_ == "softmax":
            return host.softmax(z, out=z)
        if self.out_activation_ == "logistic":
            return host.sigmoid(z, out=z)
        return np.exp(z, out=z) if self.out_activation_ == "exp" else z

    def _readable(self, X: Any) -> Any:
        """Return X as the network reads it, checked in scikit-learn's words.

        One row costs scikit-learn's checks more than the network does, so what they could not
        object to does not go through them: a plain C-contiguous array of the fitted dtype and
        width, finite, where no feature names were seen.
        """
        if (
            type(X) is np.ndarray
            and "coefs_" in self.__dict__
            and X.dtype == self.coefs_[0].dtype
            and X.ndim == 2
            and X.shape[1] == self.coefs_[0].shape[0]
            and 0 < X.shape[0] <= _FEW
            and X.flags.c_contiguous
            and "feature_names_in_" not in self.__dict__
            and np.isfinite(X).all()
        ):
            return X
        check_is_fitted(self)
        with np.errstate(over="ignore", invalid="ignore"):
            X = validate_data(self, from_gpu(X), accept_sparse="csr", order="C", reset=False)
            if X.dtype != self.coefs_[0].dtype:
                X = X.astype(self.coefs_[0].dtype)
                assert_all_finite(X, input_name="X")
        return X

    def _forward(self, X: Any, n_layers: int) -> Any:
        """Return what layer number ``n_layers`` gives for checked rows, as a NumPy array."""
        n, dtype = X.shape[0], self.coefs_[0].dtype
        if n <= _FEW and type(X) is np.ndarray and self.backend_ in _ON_THE_CPU:
            return _network.forward(self, X, get_backend("numpy"), n_layers)
        backend = self._predictor()
        widest = max(w.shape[0] for w in self.coefs_)
        rows = max(1, _CHUNK // max(widest, 1))
        out = np.empty((n, self.coefs_[n_layers - 1].shape[1]), dtype)
        with backend.scope():
            for start in range(0, n, rows):
                part = X[start : start + rows]
                part = part.toarray() if hasattr(part, "toarray") else part
                a = _network.forward(self, as_features(part, dtype, backend), backend, n_layers)
                out[start : start + rows] = backend.to_numpy(a)
        return out

    def _predictor(self) -> Backend:
        """Return the backend of the fit, or NumPy where it cannot run: a GPU may be elsewhere."""
        if isinstance(self.backend, Backend):  # need not be registered under its name
            return self.backend
        try:
            return resolve_backend(self.backend_)
        except (BackendUnavailable, ValueError) as error:
            warnings.warn(f"predicting on 'numpy': {error}", UserWarning, stacklevel=5)
            return get_backend("numpy")

    def _as_given(self, result: Any, X: Any) -> Any:
        """Return a result on X's GPU in X's library; text, which none of them holds, as it is."""
        if type(X) is np.ndarray or result.dtype.kind not in "biuf":
            return result
        return as_given(result, X, get_backend("numpy"))

"""What a network makes of rows on its way: the outputs of its hidden layers."""

from typing import Any

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin


class Embedding(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
):
    """For estimators with hidden layers: the last of them as a transformer, others on request."""

    coefs_: list[Any]
    n_layers_: int

    def hidden_activations(self, X: Any, layer: int = -1) -> Any:
        """Return what a hidden layer gives for each row of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        layer : int
            0 is the first hidden layer, -1 the last: the embedding that the output is linear in.

        Returns
        -------
        array of shape (n_samples, n_units of the layer)
            X itself, checked, where the network has no hidden layer.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        given, X = X, self._readable(X)
        hidden = self.n_layers_ - 2
        if hidden == 0 and layer in (0, -1):
            return self._as_given(X.toarray() if hasattr(X, "toarray") else X.copy(), given)
        if not hasattr(layer, "__index__") or not -hidden <= layer < hidden:
            raise ValueError(f"layer {layer!r} is not one of the {hidden} hidden layers")
        return self._as_given(self._forward(X, layer % hidden + 1), given)

    def transform(self, X: Any) -> Any:
        """Return the embedding of each row of X: what the last hidden layer gives.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, hidden_layer_sizes[-1])
        """
        return self.hidden_activations(X)

    @property
    def _n_features_out(self) -> int:
        return int(self.coefs_[-1].shape[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

"""Rows that are not trained on: held back or given, scored after each epoch, the best kept."""

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split

from accelnn.checking import as_features

if TYPE_CHECKING:
    from accelnn.estimators._stochastic import Data


def split(estimator: Any, data: "Data", rng: Any) -> tuple["Data", "Data"]:
    """Return the rows to train on and the rows held back, as scikit-learn draws them."""
    e = estimator
    binary = e._classifies and e.n_outputs_ == 1
    arrays = [a for a in data if a is not None]
    parts = train_test_split(
        *arrays,
        random_state=rng,
        test_size=e.validation_fraction,
        stratify=data.target.astype(bool) if binary else None,  # scikit-learn's choice
    )
    if parts[1].shape[0] < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your "
            "dataset."
        )
    found = iter(zip(parts[::2], parts[1::2], strict=True))
    pairs = [(None, None) if a is None else next(found) for a in data]
    train, held_back = (type(data)(*each) for each in zip(*pairs, strict=True))
    for part, name in ((train, "trained on"), (held_back, "held back")):
        if part.weights is not None and not part.weights.any():
            raise ValueError(
                f"sample_weight is 0 for all rows that early_stopping leaves to be {name}; pass "
                "X_val and y_val, or change validation_fraction"
            )
    return train, held_back


class Validation:
    """The validation set of a fit, scored on an engine."""

    def __init__(self, estimator: Any, data: "Data", engine: Any) -> None:
        self.estimator, self.data, self.engine = estimator, data, engine
        sparse = hasattr(data.X, "toarray")
        self.features = data.X if sparse else as_features(data.X, data.X.dtype, engine.backend)
        e, given = estimator, estimator.scoring
        self.target = e._smoothed(data.target)  # of the loss; a score is of the true labels
        self.scorer = None if given in (None, "loss") else check_scoring(e, scoring=given)
        # Before the first epoch the best are the weights it starts from, as in a warm start.
        self.best = self._snapshot()

    def epoch_ended(self) -> None:
        """Append loss and score of the present weights, and note whether they are the best."""
        e, data = self.estimator, self.data
        outputs = self.engine.backend.to_numpy(self.engine.outputs(self.features))
        loss = e._objective.report(outputs, self.target, data.weights)
        if self.scorer is not None:
            e._take_from(self.engine)
            how = {} if data.weights is None else {"sample_weight": data.weights}
            names = vars(e).pop("feature_names_in_", None)  # which an array has not
            try:
                found = self.scorer(e, data.X, data.y, **how)
            finally:
                if names is not None:
                    e.feature_names_in_ = names
            if not isinstance(found, Real):
                raise ValueError(f"scoring={e.scoring!r} returned {found!r}; expected one number")
            score = float(found)
        elif e.scoring == "loss":
            score = -loss
        else:
            score = e._score_outputs(outputs, data.target, data.weights)
        e.validation_loss_curve_.append(loss)
        if e._scored(score):
            self.best = self._snapshot()

    def restore_best(self) -> None:
        """Put the best weights back into the engine."""
        params, norms = self.best
        self.engine.plan.params[...] = self.engine.backend.asarray(params)
        for norm, state in zip(self._norms(), norms, strict=True):
            norm.load_state_dict(state)

    def _norms(self) -> list[Any]:
        return [layer for layer in self.engine.layers if hasattr(layer, "running_mean")]

    def _snapshot(self) -> tuple[Any, list[Any]]:
        held = self.engine.backend.to_numpy(self.engine.plan.params).copy()
        norms = [{k: np.array(v) for k, v in n.state_dict().items()} for n in self._norms()]
        return held, norms

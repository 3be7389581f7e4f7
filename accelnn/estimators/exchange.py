"""Fitted networks from scikit-learn and back, with all that they need to go on training.

An MLP of scikit-learn keeps its optimizer's states as lists of arrays shaped like its parameters,
``coefs_`` before ``intercepts_``. Ours keeps the same numbers in the same order as rows of one
array. The velocity of scikit-learn's SGD is what is added to the parameters, ours is what is
subtracted, so the two differ in sign.
"""

import warnings
from copy import deepcopy
from inspect import signature
from typing import Any

import numpy as np
from sklearn import neural_network as theirs
from sklearn.base import clone, is_classifier
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    InvalidParameterError,
    validate_parameter_constraints,
)
from sklearn.utils.validation import check_is_fitted

from accelnn.backends import Backend, resolve_with_reason
from accelnn.estimators._rules import Rule, SGDRule, make_rule
from accelnn.estimators.classifier import MLPClassifier
from accelnn.estimators.regressor import MLPRegressor

#: Attributes that both libraries have under one name and in one form, where they are set.
_COMMON = (
    "loss_",
    "best_loss_",
    "loss_curve_",
    "validation_scores_",
    "best_validation_score_",
    "n_iter_",
    "t_",
    "_no_improvement_count",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "n_features_in_",
    "feature_names_in_",
    "classes_",
)


def from_sklearn(fitted: Any, *, backend: str | Backend = "auto") -> Any:
    """Return the estimator that a fitted MLP of scikit-learn is here.

    It has the same arguments and copies of all fitted attributes. Its predictions are the same but
    for rounding, and ``partial_fit`` and a warm start go on from the optimizer's states.

    Parameters
    ----------
    fitted : sklearn.neural_network.MLPClassifier or MLPRegressor
        A subclass may predict in a way of its own and is refused. What scikit-learn was told about
        routing of metadata is not taken over. Labels that it learned as a sparse matrix come out
        dense.
    backend : str or Backend
        What predicts, and what trains if training goes on.

    Returns
    -------
    MLPClassifier or MLPRegressor

    Raises
    ------
    TypeError
        For anything but these two classes.
    sklearn.exceptions.NotFittedError
    BackendUnavailable

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> import accelnn
    >>> X, y = load_iris(return_X_y=True)
    >>> theirs = MLPClassifier(solver="lbfgs", max_iter=1000, random_state=0).fit(X, y)
    >>> ours = accelnn.from_sklearn(theirs)
    >>> bool((ours.predict(X) == theirs.predict(X)).all())
    True
    """
    kinds = {theirs.MLPClassifier: MLPClassifier, theirs.MLPRegressor: MLPRegressor}
    if type(fitted) not in kinds:
        raise TypeError(
            "from_sklearn expects an MLPClassifier or MLPRegressor of sklearn.neural_network "
            f"itself, not of a subclass; got {_full_name(type(fitted))}"
        )
    check_is_fitted(fitted, "coefs_")
    model = kinds[type(fitted)](**_copied_params(fitted), backend=backend)
    chosen, reason = resolve_with_reason(backend)
    _copy_fitted(fitted, model)
    model.backend_, model.backend_choice_ = chosen.name, reason
    model.engine_, model.engine_reason_ = "program", "goes on where scikit-learn stopped"
    model.compile_seconds_ = 0.0
    if hasattr(fitted, "validation_scores_"):  # not with "lbfgs"
        scores = fitted.validation_scores_
        model.validation_loss_curve_ = None if scores is None else [np.nan] * len(scores)
    if is_classifier(model):
        model._multilabel = fitted._label_binarizer.y_type_.startswith("multilabel")
    if hasattr(fitted, "_optimizer"):
        model._rule = _rule_of(fitted._optimizer, model)
    return model


def to_sklearn(estimator: Any) -> Any:
    """Return the fitted MLP of scikit-learn that an estimator is there.

    It predicts, scores, and goes on training from the optimizer's states.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor

    Returns
    -------
    sklearn.neural_network.MLPClassifier or MLPRegressor

    Raises
    ------
    ValueError
        Where scikit-learn has no such network; the message names what it lacks.
    sklearn.exceptions.NotFittedError

    Warns
    -----
    UserWarning
        Where only the training differs: names the arguments that were left out.
    """
    check_is_fitted(estimator, "coefs_")
    model, left_out = sklearn_counterpart(estimator)
    _check_output(estimator, model)
    if getattr(estimator, "_skl_callbacks", None):
        left_out.append("callbacks")
    if left_out:
        warnings.warn(
            f"scikit-learn's {type(model).__name__} cannot do this and trains without it, if it "
            f"goes on: {', '.join(left_out)}",
            UserWarning,
            stacklevel=3,
        )
    _copy_fitted(estimator, model)
    model._best_coefs = [w.copy() for w in model.coefs_]
    model._best_intercepts = [b.copy() for b in model.intercepts_]
    model._random_state = check_random_state(model.random_state)
    if is_classifier(model):
        # Labels whose kind scikit-learn recognises as that of the targets.
        n = len(estimator.classes_)
        labels = np.eye(n, dtype=int) if estimator._multilabel else estimator.classes_
        model._label_binarizer = LabelBinarizer().fit(labels)
    if model.solver == estimator.solver and estimator._rule is not None:
        # A schedule that is left out leaves no rate behind either.
        lr = model.learning_rate_init if "learning_rate" in left_out else estimator._rule.lr
        model._optimizer = _optimizer_of(estimator._rule, lr, model)
    return model


def sklearn_counterpart(estimator: Any) -> tuple[Any, list[str]]:
    """Return scikit-learn's estimator of the same arguments, not fitted, and what it leaves out.

    Left out are the names of arguments that concern training, are not at their defaults, and have
    no counterpart; ``backend`` is not one of them.

    Raises
    ------
    ValueError
        Where the network itself has no counterpart.
    TypeError
        For an estimator that is neither of the two.
    """
    kinds = {MLPClassifier: theirs.MLPClassifier, MLPRegressor: theirs.MLPRegressor}
    found = [other for kind, other in kinds.items() if isinstance(estimator, kind)]
    if not found:
        raise TypeError(f"scikit-learn has no counterpart of {_full_name(type(estimator))}")
    kind, params = found[0], _copied_params(estimator)
    params["activation"] = _one_activation(params["activation"])
    if params.get("normalization") is not None:
        raise ValueError(
            f"scikit-learn has no normalisation layers: normalization={params['normalization']!r}"
        )
    defaults = {name: p.default for name, p in signature(type(estimator)).parameters.items()}
    known, left_out = {}, []
    for name, value in params.items():
        if name not in signature(kind).parameters:
            if name != "backend" and not _is(value, defaults[name]):
                left_out.append(name)
        elif _allowed(kind, name, value):
            known[name] = value
        elif name == "activation":
            raise ValueError(f"scikit-learn has no activation={value!r}")
        else:
            left_out.append(name)
    return kind(**known), left_out


def _one_activation(given: Any) -> Any:
    names = [given] if isinstance(given, str) else list(given)
    if len(set(names)) > 1:
        raise ValueError(f"scikit-learn has one activation for all hidden layers, not {names}")
    return names[0] if names else "relu"  # without hidden layers there is none to speak of


def _allowed(kind: Any, name: str, value: Any) -> bool:
    try:
        validate_parameter_constraints(
            kind._parameter_constraints, {name: value}, caller_name=kind.__name__
        )
    except InvalidParameterError:
        return False
    return True


def _is(value: Any, default: Any) -> bool:
    """Whether they are equal; arrays and objects, whose ``==`` may mean anything, never are."""
    plain = (bool, int, float, str)
    return value is default or (isinstance(value, plain) and bool(value == default))


def _check_output(estimator: Any, model: Any) -> None:
    """Raise ValueError unless scikit-learn would make the outputs in the same way."""
    if is_classifier(model):
        several = len(estimator.classes_) > 2 and not estimator._multilabel
        expected = "softmax" if several else "logistic"
    else:
        expected = "exp" if model.loss == "poisson" else "identity"
    if estimator.out_activation_ != expected:
        raise ValueError(
            f"out_activation_={estimator.out_activation_!r}, from loss={estimator.loss!r}: there "
            f"scikit-learn has {expected!r}"
        )


def _copied_params(estimator: Any) -> dict[str, Any]:
    """Return copies, as ``clone`` makes them: a RandomState goes on from where it stands."""
    params = estimator.get_params(deep=False)
    return {name: clone(value, safe=False) for name, value in params.items()}


def _copy_fitted(source: Any, target: Any) -> None:
    for name in _COMMON:
        if hasattr(source, name):
            setattr(target, name, deepcopy(getattr(source, name)))
    target.coefs_ = [np.array(w, order="C") for w in source.coefs_]
    target.intercepts_ = [np.array(b) for b in source.intercepts_]


def _rule_of(optimizer: Any, model: Any) -> Rule:
    """Return the rule that goes on from an optimizer of scikit-learn.

    The optimizer's own numbers count: arguments that were set since do not change it there either.
    """
    o, is_sgd = optimizer, isinstance(optimizer, SGDOptimizer)
    rule: Any = make_rule(clone(model).set_params(solver="sgd" if is_sgd else "adam"))
    if is_sgd:
        rule.lr_init, rule.lr, rule.schedule = o.learning_rate_init, o.learning_rate, o.lr_schedule
        rule.momentum, rule.nesterov, rule.power_t = o.momentum, o.nesterov, o.power_t
        rule.kept = -_flat(o.velocities)[None]
    else:
        rule.lr, rule.t = o.learning_rate_init, o.t
        rule.beta_1, rule.beta_2, rule.epsilon = o.beta_1, o.beta_2, o.epsilon
        rule.kept = np.stack([_flat(o.ms), _flat(o.vs)])
    kept: Rule = rule
    return kept


def _optimizer_of(rule: Any, lr: float, model: Any) -> Any:
    """Return the optimizer of scikit-learn that goes on from a rule, at a learning rate."""
    r, params = rule, model.coefs_ + model.intercepts_
    if isinstance(r, SGDRule):
        o = SGDOptimizer(params, r.lr_init, r.schedule, r.momentum, r.nesterov, r.power_t)
        o.learning_rate = lr
        if r.kept is not None:
            o.velocities = _shaped(-r.kept[0], params)
    else:
        o = AdamOptimizer(params, lr, r.beta_1, r.beta_2, r.epsilon)
        o.t = r.t
        if r.kept is not None:
            o.ms, o.vs = (_shaped(row, params) for row in r.kept)
    return o


def _flat(arrays: list[Any]) -> Any:
    return np.concatenate([np.ravel(a) for a in arrays])


def _shaped(flat: Any, like: list[Any]) -> list[Any]:
    ends = np.cumsum([p.size for p in like])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(p.shape).copy() for part, p in zip(parts, like, strict=True)]


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"

"""The parameters and attributes that the estimators share, written once.

``@documented`` puts them where a class's docstring says ``{parameters}`` and ``{attributes}``.
"""

from typing import TypeVar

_Class = TypeVar("_Class", bound=type)

PARAMETERS = """
hidden_layer_sizes : array-like of int or int
    Neurons of each hidden layer; ``()`` is a linear model.
activation : {"identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu"} or list
    Of the hidden layers, or of each of them.
solver : {"lbfgs", "sgd", "adam", "adamw", "rmsprop"}
    The first three are scikit-learn's. "adamw" is Adam with ``weight_decay``; "rmsprop" takes
    ``beta_2`` and ``epsilon``.
alpha : float
    L2 penalty on the weights, divided by the samples of a minibatch.
batch_size : int or "auto"
    "auto" is min(200, n_samples).
learning_rate : {"constant", "invscaling", "adaptive"} or callable
    The names are for "sgd" only. A callable ``(epoch, max_iter) -> factor`` is called before each
    step of any stochastic solver, with the epoch as a fraction from 0; the rate is the factor times
    ``learning_rate_init``. Each ``fit`` begins at epoch 0, a warm one too; ``partial_fit`` goes on
    counting. ``accelnn.optim.schedules`` has some.
learning_rate_init : float
power_t : float
    Exponent of "invscaling".
max_iter : int
    Epochs at most.
shuffle : bool
random_state : int, RandomState instance or None
    Initial weights, order of the samples, the validation split and dropout.
tol : float
    Training stops after ``n_iter_no_change`` epochs without an improvement by ``tol``.
verbose : bool
    Print a line per epoch. For a progress bar, ``set_callbacks(sklearn.callback.ProgressBar())``.
warm_start : bool
    Start from the weights of the last ``fit``.
momentum, nesterovs_momentum
    For "sgd".
early_stopping : bool
    Stop on the score of a validation set, and keep the best weights: the set given to ``fit``,
    else ``validation_fraction`` of the samples, held back.
validation_fraction : float
beta_1, beta_2, epsilon : float
    For "adam" and "adamw".
n_iter_no_change : int
max_fun : int
    Calls of the loss at most, for "lbfgs".
"""

MORE = """
dropout : float or list of float
    Probability with which a hidden layer's outputs are dropped in training; of each layer.
normalization : {"batch", "layer"} or None
    Between each hidden layer's Linear and its activation.
l1 : float
    L1 penalty on the weights, divided by the samples of a minibatch as ``alpha`` is.
weight_decay : float or None
    Shrinks all parameters by ``learning rate · weight_decay`` in each step, beside the gradient.
    None is 0.01 for "adamw" and 0 for the others.
max_grad_norm : float or None
    Longer gradients of the loss are scaled down to this Euclidean norm.
initial_weights : str, tuple (coefs, intercepts) or None
    None is scikit-learn's Glorot-uniform; "glorot_normal", "he_normal", "he_uniform",
    "orthogonal" or "zeros", with biases of 0 (see ``accelnn.nn.init``); or the arrays themselves,
    shaped as ``coefs_`` and ``intercepts_``.
scoring : str, callable or None
    What a validation set is scored by: None is accuracy or R², "loss" the negative loss, else a
    scorer of scikit-learn's.
max_time : float or None
    Seconds after which training ends, in the middle of an epoch too.
dtype : {"float32", "float64"} or None
    What to compute in; None keeps X's, float64 where X is neither.
backend : str
    "auto", "numpy", "numba", "cupy" or a registered one.
"""

ATTRIBUTES = """
coefs_ : list of arrays of shape (n_units, n_units of the next layer)
intercepts_ : list of arrays of shape (n_units of the next layer,)
norms_ : list of Module
    The normalisation layers; empty without ``normalization``.
loss_, best_loss_ : float
loss_curve_ : list of float
validation_scores_, validation_loss_curve_ : list of float or None
    Of the validation set, if there was one; its loss is the one trained on, without penalties.
best_validation_score_ : float or None
n_iter_, t_ : int
    Epochs run, and samples seen.
n_layers_, n_outputs_, n_features_in_ : int
feature_names_in_ : array of str
    Where X had names.
out_activation_ : str
backend_, backend_choice_ : str
    The backend that fitted, and why this one.
engine_, engine_reason_ : str
    "program", or "eager" and why.
compile_seconds_ : float
    Spent on compiling or loading kernels before the first step.
"""


def documented(kind: _Class) -> _Class:
    """Fill in the shared parts of a class's docstring."""
    parts = {"{parameters}": PARAMETERS, "{more}": MORE, "{attributes}": ATTRIBUTES}
    text = kind.__doc__ or ""
    for mark, part in parts.items():
        indented = part.strip().replace("\n", "\n    ")
        text = text.replace(mark, indented)
    kind.__doc__ = text
    return kind

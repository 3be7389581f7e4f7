"""L-BFGS by SciPy: all rows at once, the gradient summed over minibatches that fit in memory."""

from typing import Any

import numpy as np

from accelnn.backends import Backend
from accelnn.estimators._network import minibatch_rows
from accelnn.estimators._rules import Rule
from accelnn.estimators._stochastic import Data

#: Rows of a gradient's part: enough for products at full speed, few enough for the workspaces.
ROWS = 8192


def fit_lbfgs(estimator: Any, data: Data, backend: Backend, rng: Any, task: Any) -> None:
    """Minimise the mean loss of all rows; sets ``n_iter_`` and ``loss_``."""
    from scipy.optimize import minimize
    from sklearn.utils.fixes import _get_additional_lbfgs_options_dict
    from sklearn.utils.optimize import _check_optimize_result

    e, n = estimator, data.X.shape[0]
    weights = np.ones(n) if data.weights is None else data.weights
    total, size = float(weights.sum()), minibatch_rows(e, min(n, ROWS), n)
    with e._engine(backend, Rule(), size, rng) as engine:
        engine.bind(data.X, e._smoothed(data.target), row_weights=data.weights)
        plan, dtype = engine.plan, data.X.dtype
        sums = np.add.reduceat(weights, np.arange(0, n, size))

        def loss_and_grad(flat: Any) -> tuple[float, Any]:
            plan.params[...] = backend.asarray(flat, dtype=dtype)
            w, loss, slope = flat[: plan.n_weights], 0.0, np.zeros(len(flat))
            for batch, part in enumerate(sums / total):
                mean, grad = engine.loss_and_grad(batch)
                loss += part * mean
                slope += part * backend.to_numpy(grad)
            slope[: plan.n_weights] += e.alpha / total * w
            return e._objective.reported * loss + 0.5 * e.alpha / total * float(w @ w), slope

        e.n_iter_ = 0
        stopped = False

        def iterated(intermediate_result: Any) -> None:  # SciPy goes by this name
            nonlocal stopped
            with task.epoch(lambda: e._fitted_on(engine)) as epoch:
                plan.params[...] = backend.asarray(intermediate_result.x, dtype=dtype)
                e.n_iter_ += 1
                e.loss_ = float(intermediate_result.fun)
            if epoch.wants_to_stop:
                stopped = True
                raise StopIteration

        iprint = 1 if e.verbose is True or e.verbose >= 1 else -1
        found = minimize(
            loss_and_grad,
            backend.to_numpy(plan.params).astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=iterated if task.listened else None,
            options={
                "maxfun": e.max_fun,
                "maxiter": e.max_iter,
                "gtol": e.tol,
                **_get_additional_lbfgs_options_dict("iprint", iprint),
            },
        )
        if not stopped:  # which is no failure to converge
            e.n_iter_ = _check_optimize_result("lbfgs", found, e.max_iter)
        e.loss_ = float(found.fun)
        plan.params[...] = backend.asarray(found.x, dtype=dtype)
        e._take_from(engine)

"""How long training takes to reach an accuracy on images that it has not seen."""

from typing import Any

import accelnn
from accelnn import nn
from accelnn.backends import get_backend
from accelnn.bench.mnist_epochs import Fit
from accelnn.bench.networks import network
from accelnn.history import Callback, Epoch, History

#: SGD's rate is higher than where only speed is asked, so that 98 % comes within a dozen epochs.
RATES = {"sgd": 0.3, "adam": 0.001}
#: What ends a training.
GOAL = 0.98


class Until(Callback):
    """Stops a training once an accuracy is reached."""

    def __init__(self, goal: float) -> None:
        self.goal = goal

    def on_epoch_end(self, epoch: Epoch) -> bool:
        """Return whether it is."""
        return epoch.val_accuracy is not None and epoch.val_accuracy >= self.goal


def learn(fit: Fit, widths: tuple[int, ...], data: tuple[Any, Any, Any, Any], most: int) -> History:
    """Train for at most so many epochs; ``data`` are X, y and X, y of the test, X as floats."""
    X, y, X_test, y_test = data
    held = get_backend(fit.trainer)
    model, rule = network(held, fit.optimizer, X.shape[1], X.dtype, widths, RATES[fit.optimizer])
    return accelnn.train(
        model,
        nn.CrossEntropyLoss(),
        rule,
        X,
        y,
        epochs=most,
        batch_size=fit.batch,
        X_val=X_test,
        y_val=y_test,
        backend=held,
        callbacks=[Until(GOAL)],
        seed=0,
    )


def curve(history: History) -> list[list[float]]:
    """Return [seconds of training up to here, test accuracy] after each epoch."""
    found, seconds = [], 0.0
    for epoch in history.epochs:
        seconds += epoch.seconds
        found.append([seconds, epoch.val_accuracy or 0.0])
    return found


def seconds_to(goal: float, points: list[list[float]]) -> float | None:
    """Return the seconds after which the accuracy was first reached; None where it was not."""
    return next((seconds for seconds, accuracy in points if accuracy >= goal), None)

"""Optimizers under PyTorch's names, and schedules of their learning rate."""

from typing import TYPE_CHECKING, Any

from accelnn.optim import schedules as schedules
from accelnn.optim.adam import Adam as Adam
from accelnn.optim.adam import AdamW as AdamW
from accelnn.optim.optimizer import Optimizer as Optimizer
from accelnn.optim.rmsprop import RMSprop as RMSprop
from accelnn.optim.sgd import SGD as SGD

if not TYPE_CHECKING:  # a checker knows the names above and no others

    def __getattr__(name: str) -> Any:
        from accelnn.nn.outside import missing

        raise missing("optim", name, globals())

"""Optimizers under PyTorch's names."""

from accelnn.optim.adam import Adam as Adam
from accelnn.optim.adam import AdamW as AdamW
from accelnn.optim.optimizer import Optimizer as Optimizer
from accelnn.optim.sgd import SGD as SGD

"""Layers and losses under PyTorch's names."""

from typing import TYPE_CHECKING, Any

from accelnn.autograd import Parameter as Parameter
from accelnn.nn import functional as functional
from accelnn.nn import init as init
from accelnn.nn import utils as utils
from accelnn.nn.activations import ELU as ELU
from accelnn.nn.activations import GELU as GELU
from accelnn.nn.activations import Hardtanh as Hardtanh
from accelnn.nn.activations import Identity as Identity
from accelnn.nn.activations import LeakyReLU as LeakyReLU
from accelnn.nn.activations import LogSigmoid as LogSigmoid
from accelnn.nn.activations import LogSoftmax as LogSoftmax
from accelnn.nn.activations import ReLU as ReLU
from accelnn.nn.activations import ReLU6 as ReLU6
from accelnn.nn.activations import Sigmoid as Sigmoid
from accelnn.nn.activations import Sign as Sign
from accelnn.nn.activations import SiLU as SiLU
from accelnn.nn.activations import Softmax as Softmax
from accelnn.nn.activations import Step as Step
from accelnn.nn.activations import Tanh as Tanh
from accelnn.nn.dense import Dense as Dense
from accelnn.nn.linear import Linear as Linear
from accelnn.nn.losses import BCELoss as BCELoss
from accelnn.nn.losses import BCEWithLogitsLoss as BCEWithLogitsLoss
from accelnn.nn.losses import CrossEntropyLoss as CrossEntropyLoss
from accelnn.nn.losses import FocalLoss as FocalLoss
from accelnn.nn.losses import HuberLoss as HuberLoss
from accelnn.nn.losses import L1Loss as L1Loss
from accelnn.nn.losses import Loss as Loss
from accelnn.nn.losses import MSELoss as MSELoss
from accelnn.nn.losses import PoissonNLLLoss as PoissonNLLLoss
from accelnn.nn.losses import QuantileLoss as QuantileLoss
from accelnn.nn.maxout import Maxout as Maxout
from accelnn.nn.module import Module as Module
from accelnn.nn.normalisation import BatchNorm1d as BatchNorm1d
from accelnn.nn.normalisation import LayerNorm as LayerNorm
from accelnn.nn.shaping import Dropout as Dropout
from accelnn.nn.shaping import Flatten as Flatten
from accelnn.nn.shaping import Sequential as Sequential

if not TYPE_CHECKING:  # a checker knows the names above and no others

    def __getattr__(name: str) -> Any:
        from accelnn.nn.outside import missing

        raise missing("nn", name, globals())

"""PyTorch in ``gpu_epochs``: eager, and with the whole step in a CUDA graph."""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from accelnn.bench.gpu_data import images, weights
from accelnn.bench.gpu_device import Device
from accelnn.bench.gpu_epochs import Kept
from accelnn.bench.networks import RATES


class TorchEager:
    """As the tutorials write it, with the optimizers' fused kernels and the data on the device."""

    capturable = False

    def __init__(self, device: Device, optimizer: str, batch: int, precision: str) -> None:
        torch = self.torch = import_module("torch")
        self.batch, self.kind = batch, device.kind
        self.precision = {"float32": "highest", "tf32": "high"}[precision]
        _, X, y, _, _ = images(device.rows)
        self.X = torch.from_numpy(X.astype(np.float32) / 255).to(self.kind)
        self.y = torch.from_numpy(y).to(self.kind)
        layers = []
        for w, b in weights(device.widths):
            linear = torch.nn.Linear(*w.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(w.T))
                linear.bias.copy_(torch.from_numpy(b))
            layers += [linear, torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers[:-1]).to(self.kind)
        self.criterion = torch.nn.CrossEntropyLoss()
        parameters, how = self.model.parameters(), {"lr": RATES[optimizer], "fused": True}
        if optimizer == "sgd":
            self.rule = torch.optim.SGD(parameters, **how)
        else:
            self.rule = torch.optim.Adam(parameters, **how, capturable=self.capturable)
        self.total = torch.zeros((), device=self.kind)

    def train(self, order: Any) -> float:
        """Return the mean loss of an epoch, which is fetched once, at its end."""
        self.torch.set_float32_matmul_precision(self.precision)
        self.total.zero_()
        self.run(self.torch.from_numpy(order).to(self.kind))
        return float(self.total.item()) / len(order)

    def run(self, order: Any) -> None:
        """Train on all minibatches."""
        for rows in order.split(self.batch):
            self.step(rows)

    def step(self, rows: Any) -> None:
        """Train on one minibatch."""
        self.rule.zero_grad(set_to_none=True)
        loss = self.criterion(self.model(self.X[rows]), self.y[rows])
        loss.backward()
        self.rule.step()
        self.total.add_(loss.detach(), alpha=len(rows))

    def wait(self) -> None:
        """Wait for the device."""
        if self.kind == "cuda":
            self.torch.cuda.synchronize()


class TorchGraph(TorchEager):
    """A graph holds the whole step: which rows, forward, backward, update. Python only replays it.

    The order of the epoch lies in a buffer, and on the device another one holds the places in it
    of the minibatch that is on. The last, smaller minibatch has a graph of its own.
    """

    def __init__(self, device: Device, *given: Any) -> None:
        self.capturable = device.kind == "cuda"  # of Adam; the CPU's refuses it
        super().__init__(device, *given)
        torch = self.torch
        self.order = torch.arange(len(self.X), device=self.kind)
        self.first = torch.arange(self.batch, device=self.kind)
        self.places = self.first.clone()
        self.graphs: dict[int, Callable[[], None]] = {}

    def run(self, order: Any) -> None:
        """Train on all minibatches."""
        n, short = divmod(len(order), self.batch)
        for rows in (self.batch, short):
            if rows and rows not in self.graphs:
                self.graphs[rows] = self._captured(rows)
        self.order.copy_(order)
        self.places.copy_(self.first)
        self.total.zero_()
        for _ in range(n):
            self.graphs[self.batch]()
        if short:
            self.graphs[short]()

    def _next(self, rows: int) -> None:
        self.step(self.order[self.places[:rows]])
        self.places.add_(self.batch)

    def _captured(self, rows: int) -> Callable[[], None]:
        """Return what replays a step; the steps before the capture are undone."""
        torch = self.torch
        if self.kind != "cuda":  # a rehearsal: the same step, not captured
            return lambda: self._next(rows)
        saved = [p.detach().clone() for p in self.model.parameters()]
        states = [s.clone() for s in self._states()]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a capturable optimizer that is not captured yet
            for _ in range(3):
                self.places.copy_(self.first)
                self._next(rows)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        self.rule.zero_grad(set_to_none=True)  # so that the gradients are the graph's own
        with torch.cuda.graph(graph):
            self._next(rows)
        with torch.no_grad():
            for p, s in zip(self.model.parameters(), saved, strict=True):
                p.copy_(s)
            for i, s in enumerate(self._states()):  # before the first step there were none
                s.copy_(states[i]) if states else s.zero_()
        replay: Callable[[], None] = graph.replay
        return replay

    def _states(self) -> list[Any]:
        held = (s for state in self.rule.state.values() for s in state.values())
        return [s for s in held if isinstance(s, self.torch.Tensor)]


def make(device: Device, variant: str, *given: Any) -> TorchEager:
    """Return a contestant."""
    return (TorchGraph if variant == "torch graph" else TorchEager)(device, *given)


epoch = Kept(make).epoch

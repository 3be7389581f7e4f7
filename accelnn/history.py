"""What a training says: to its caller afterwards, to callbacks while it runs."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """What one epoch left.

    Attributes
    ----------
    epoch : int
        From 1.
    loss : float
        Mean training loss per row, each minibatch's before its step.
    seconds : float
        Training alone: no compilation, no validation.
    compile_seconds : float
        Spent before the first step on compiling or loading compiled code.
    val_loss, val_accuracy : float or None
        On the validation data; accuracy for classifiers.
    """

    epoch: int
    loss: float
    seconds: float
    compile_seconds: float = 0.0
    val_loss: float | None = None
    val_accuracy: float | None = None


@dataclass(frozen=True)
class Explanation:
    """Which way a stack is trained, and by which kernels; ``print`` it.

    Attributes
    ----------
    engine : str
        "program" or "eager".
    backend : str
    reason : str
        What kept it from being a program; empty for a program.
    layers : tuple of (layer, kernels)
        As text.
    """

    engine: str
    backend: str
    reason: str
    layers: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        head = f"{self.engine} on {self.backend}"
        head += f", because {self.reason}" if self.reason else ""
        width = max((len(layer) for layer, _ in self.layers), default=0)
        return "\n".join([head, *(f"  {layer:<{width}}  {kern}" for layer, kern in self.layers)])


@dataclass
class History:
    """What a training left: one ``Epoch`` each, and how it was done.

    Attributes
    ----------
    epochs : list of Epoch
    backend, engine : str
    explanation : Explanation
    choice : str
        Why this backend.
    interrupted : bool
        Whether a callback ended it early.
    """

    backend: str
    engine: str
    explanation: Explanation
    choice: str = ""
    epochs: list[Epoch] = field(default_factory=list)
    interrupted: bool = False

    def __getitem__(self, name: str) -> list[Any]:
        """Return one quantity of all epochs, such as ``history["loss"]``."""
        return [asdict(epoch)[name] for epoch in self.epochs]

    def explain(self) -> Explanation:
        """Return which way the training took and the kernels behind each layer."""
        return self.explanation


class Callback:
    """Base of callbacks; override what you need."""

    def on_model(self, model: Any, loss: Any) -> None:
        """Before all others: the model and the loss that are trained."""

    def on_train_begin(self, history: History, n_rows: int, epochs: int) -> None:
        """Before the first epoch."""

    def on_compile(self, backend: str) -> None:
        """When the backend starts to compile."""

    def on_progress(self, epoch: int, rows_done: int) -> None:
        """A few times a second: rows of this epoch that were trained on."""

    def on_epoch_end(self, epoch: Epoch) -> bool | None:
        """After each epoch; True stops the training."""
        return None

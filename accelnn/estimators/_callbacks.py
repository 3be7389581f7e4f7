"""scikit-learn's callback protocol: a task for the fit, and one below it for each epoch.

Callbacks are set by ``estimator.set_callbacks(...)``; scikit-learn's own work, such as
``ProgressBar`` and ``ScoringMonitor`` of ``sklearn.callback``. Who sets none pays for none.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Epoch:
    """One epoch as callbacks see it.

    Attributes
    ----------
    wants_to_stop : bool
        What a callback said when the epoch had ended.
    """

    wants_to_stop = False


class Task:
    """The fit of an estimator as callbacks see it; ``state`` returns its fitted attributes.

    They are told the weights of rows as given, without those of classes, as scikit-learn does.
    """

    def __init__(self, estimator: Any, data: Any, sample_weight: Any, max_epochs: int) -> None:
        self.listened = bool(getattr(estimator, "_skl_callbacks", ()))
        self._context: Any = None
        if self.listened:
            metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
            self._told = {"estimator": estimator, "X": data.X, "y": data.y, "metadata": metadata}
            self._context = estimator._init_callback_context(max_subtasks=max_epochs)
            self._context.call_on_fit_task_begin(**self._told)

    @contextmanager
    def epoch(self, state: Callable[[], dict[str, Any]]) -> Iterator[Epoch]:
        """Return a context around an epoch; an epoch that is interrupted does not end."""
        epoch = Epoch()
        if not self.listened:
            yield epoch
            return
        context = self._context.subcontext(task_name="epoch")
        context.call_on_fit_task_begin(**self._told)
        yield epoch
        ended = context.call_on_fit_task_end(**self._told, reconstruction_attributes=state)
        epoch.wants_to_stop = bool(ended)

    def ends(self, state: Callable[[], dict[str, Any]]) -> None:
        """Tell the callbacks that the fit is done."""
        if self.listened:
            self._context.call_on_fit_task_end(**self._told, reconstruction_attributes=state)

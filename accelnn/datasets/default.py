"""The data that is used when nobody named any, on every machine."""

import os
from dataclasses import replace

from accelnn.datasets.dataset import Dataset
from accelnn.datasets.digits import load_digits
from accelnn.datasets.download import Progress
from accelnn.datasets.mnist import load_mnist
from accelnn.errors import DownloadError


def load_default(
    folder: str | os.PathLike[str] | None = None, *, progress: Progress | None = None
) -> Dataset:
    """Load MNIST, or where it cannot be had scikit-learn's digits with a note that says so.

    Parameters
    ----------
    folder : path, optional
        Folder with MNIST; one that is named must be right.
    progress : Progress, optional
        As for `load_mnist`.

    Returns
    -------
    Dataset
        ``name`` and ``note`` say which; ``note`` is empty for MNIST.

    Raises
    ------
    DataError
        The files in ``folder`` or ``ACCELNN_DATA`` are not MNIST.

    Examples
    --------
    >>> data = load_default()  # doctest: +SKIP
    >>> print(data.name, data.note)  # doctest: +SKIP
    """
    try:
        return load_mnist(folder, progress=progress)
    except DownloadError as error:
        note = (
            "This is not MNIST. The 8x8 digits that ship with scikit-learn stand in for it: "
            f"{error}"
        )
        return replace(load_digits(), note=note)

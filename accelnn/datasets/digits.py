"""The handwritten digits that ship inside scikit-learn: small, and there without a network."""

import numpy as np

from accelnn.datasets.dataset import Dataset


def load_digits() -> Dataset:
    """Load scikit-learn's 1,797 handwritten digits of 8x8 pixels; this is not MNIST.

    Of each class every fifth image, in the order of the file, is a test image: the same split
    every time, with each class in the same proportion.

    Returns
    -------
    Dataset
        ``X_train`` uint8 (1442, 8, 8), ``X_test`` uint8 (355, 8, 8), pixels from 0 to 16;
        ``y_*`` int64 (n,).

    Examples
    --------
    >>> load_digits()
    <Dataset digits (scikit-learn, 8x8): 1442 training and 355 test images, 8x8>
    """
    from sklearn import datasets  # a second, and only for those who ask

    digits = datasets.load_digits()
    X, y = digits.images.astype(np.uint8), digits.target.astype(np.int64)
    test = np.zeros(len(y), dtype=bool)
    for digit in range(10):
        test[np.flatnonzero(y == digit)[4::5]] = True
    name = "digits (scikit-learn, 8x8)"
    return Dataset(name, X[~test], y[~test], X[test], y[test], pixel_max=16)

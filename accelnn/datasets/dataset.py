"""What every loader returns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Dataset:
    """Grey-scale images with their classes, split into a training and a test part.

    Parameters
    ----------
    name : str
        What the data is, for tables and files.
    X_train, X_test : ndarray of uint8, (n, height, width)
        Images, 0 is the background and ``pixel_max`` full ink.
    y_train, y_test : ndarray of int64, (n,)
        Class of each image.
    pixel_max : int
        The largest value a pixel can have: 255 for MNIST.
    note : str
        What a reader of results must know about this data; usually empty.
    """

    name: str
    X_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    X_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]
    pixel_max: int
    note: str = ""

    def features(
        self, dtype: type[np.floating[Any]] = np.float32
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the images as rows of numbers from 0 to 1, which is what a dense network reads.

        Parameters
        ----------
        dtype : numpy floating type
            Of the result.

        Returns
        -------
        X_train, X_test : ndarray of dtype, (n, height * width)
            New arrays in C order.

        Examples
        --------
        >>> import numpy as np
        >>> image, label = np.array([[[0, 255]]], dtype=np.uint8), np.array([7])
        >>> data = Dataset("two pixels", image, label, image, label, pixel_max=255)
        >>> X_train, X_test = data.features()
        >>> X_train
        array([[0., 1.]], dtype=float32)
        """
        return self._rows(self.X_train, dtype), self._rows(self.X_test, dtype)

    def _rows(self, images: NDArray[np.uint8], dtype: type[np.floating[Any]]) -> NDArray[Any]:
        count, height, width = images.shape
        rows = images.reshape(count, height * width)
        return np.divide(rows, self.pixel_max, dtype=dtype, order="C")

    def __repr__(self) -> str:
        _, height, width = self.X_train.shape
        return (
            f"<Dataset {self.name}: {len(self.X_train)} training and {len(self.X_test)} test "
            f"images, {height}x{width}>"
        )

"""Types of elements under PyTorch's names; each is the dtype of NumPy, equal to its string."""

import numpy as np

float32 = np.dtype("float32")
float64 = np.dtype("float64")
int8 = np.dtype("int8")
int16 = np.dtype("int16")
int32 = np.dtype("int32")
int64 = np.dtype("int64")
uint8 = np.dtype("uint8")
bool = np.dtype("bool")
float = float32
double = float64
short = int16
int = int32  # PyTorch's, whose long is the 64-bit one
long = int64

"""What PyTorch keeps in ``torch.utils``: so far ``data``."""

from accelnn.utils import data as data

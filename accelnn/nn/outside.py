"""Names that PyTorch has and accelnn has not: said so, with the nearest that there is."""

from collections.abc import Iterable
from difflib import get_close_matches

#: Beginning of a name in PyTorch -> what it is. The first that fits counts.
_KINDS = {
    ("Conv", "LazyConv", "Unfold", "Fold"): "convolution",
    ("MaxPool", "AvgPool", "AdaptiveMax", "AdaptiveAvg", "LPPool", "MaxUnpool"): "pooling",
    ("RNN", "LSTM", "GRU"): "recurrence",
    ("Transformer", "MultiheadAttention"): "attention",
    ("Embedding",): "embedding",
    ("ConstantPad", "ReflectionPad", "ReplicationPad", "ZeroPad", "Upsample", "Pixel"): "images",
    ("BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm", "Dropout2d", "Dropout3d"): "images",
    ("CTCLoss",): "sequences",
    ("DataParallel", "SyncBatchNorm"): "several GPUs",
}
_OPTIMIZERS = ("LBFGS", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop")


def missing(module: str, name: str, known: Iterable[str]) -> AttributeError:
    """Return the error for a name that a module has not.

    Parameters
    ----------
    module, name : str
        "nn" and "Conv2d".
    known : iterable of str
        The names that there are.
    """
    text = f"module 'accelnn.{module}' has no attribute {name!r}"
    kind = next((what for begins, what in _KINDS.items() if name.startswith(begins)), None)
    if kind:
        text += (
            f": accelnn is for dense networks, built of Linear, activations, Dropout and "
            f"normalisation; layers for {kind} are outside it"
        )
    elif name in _OPTIMIZERS:
        text += ": accelnn is for dense networks and has SGD, Adam, AdamW and RMSprop"
        if name == "LBFGS":
            text += "; MLPClassifier and MLPRegressor fit with solver='lbfgs'"
    by_lower = {each.lower(): each for each in known if not each.startswith("_")}
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.75)
    if close and not kind:
        text += f"; did you mean {by_lower[close[0]]}?"
    return AttributeError(text, name=name)

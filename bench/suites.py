"""Which suites there are, of which parts they consist, and about how long these take.

A suite is a file ``test_<suite>.py``, a part is one test function in it, ``test_<part>``. A part is
run in a process of its own, and what it writes is a checkpoint. The seconds are only for the first
estimate of the time left; ``tests/bench/test_suites.py`` compares the names with the files.
"""

from typing import NamedTuple


class Part(NamedTuple):
    """A question that one process answers.

    Attributes
    ----------
    suite, name : str
    quick, full : float
        About how many seconds it takes on two cores, in a quick run and in a full one.
    """

    suite: str
    name: str
    quick: float
    full: float

    @property
    def label(self) -> str:
        """What it is called on the command line's progress bar, and in the JSON."""
        return f"{self.suite}/{self.name}"


#: In the order of the argument that the report makes.
PARTS = (
    Part("matmul", "rungs", 14, 180),
    Part("matmul", "network", 10, 90),
    Part("scaling", "strong", 6, 80),
    Part("scaling", "weak", 4, 60),
    Part("scaling", "roofline", 4, 30),
    Part("kernels", "single", 8, 100),
    Part("kernels", "fused", 5, 50),
    Part("backprop_cost", "cost", 8, 150),
    Part("mnist", "epoch", 10, 200),
    Part("mnist", "accuracy", 7, 120),
    Part("mnist", "memory", 4, 30),
    Part("mnist", "profile", 5, 60),
    Part("mnist", "rungs", 6, 90),
    Part("predict", "rows", 8, 90),
    Part("peers", "epochs", 14, 240),
    Part("estimators", "fit", 6, 300),
    Part("estimators", "row", 4, 30),
    Part("estimators", "accuracy", 2, 90),
    Part("estimators", "memory", 2, 80),
    Part("graph", "overhead", 3, 20),
    Part("graph", "step", 3, 40),
)

#: Suites by what the command line calls them.
SUITES = {
    "matmul": "matmul",
    "scaling": "scaling",
    "kernels": "kernels",
    "backprop": "backprop_cost",
    "mnist": "mnist",
    "predict": "predict",
    "peers": "peers",
    "estimators": "estimators",
    "graph": "graph",
}

"""The argument in its order: what each step claims, and where the report looks whether it holds."""

from accelnn.bench.report import (
    estimators,
    gradient,
    graph,
    ladder,
    memory,
    peers,
    predict,
    profile,
    threads,
    training,
)
from accelnn.bench.report.exhibit import Step

STEPS = (
    Step(
        "products",
        "A network is matrix products",
        "The argument begins: a layer multiplies its inputs by its weights, and training repeats "
        "that product and two like it for the gradients. So nearly all the work is products.",
        profile.exhibits,
    ),
    Step(
        "parallel",
        "Every multiplication can be done at the same time",
        "No product of two numbers waits for another one, and the sums need few steps after each "
        "other. So there is work for as many units as there are.",
        ladder.exhibits,
    ),
    Step(
        "threads",
        "So threads make it fast",
        "If the work can be divided, twice the threads should need half the time.",
        threads.exhibits,
    ),
    Step(
        "memory",
        "… until memory is the limit",
        "What does little with each number waits for memory, however many units there are.",
        memory.exhibits,
    ),
    Step(
        "backpropagation",
        "Backpropagation costs a constant times the forward pass",
        "It reuses what layers share. To change each weight in turn and look at the loss costs a "
        "forward pass per weight.",
        gradient.exhibits,
    ),
    Step(
        "step",
        "From the product to training",
        "A faster product makes training faster, as far as training is products: Amdahl's law.",
        profile.rungs,
    ),
    Step(
        "training",
        "Training",
        "What it comes to: seconds until the network knows the digits.",
        training.exhibits,
    ),
    Step(
        "prediction",
        "Prediction",
        "One row at a time is no longer one large product; many rows are.",
        predict.exhibits,
    ),
    Step(
        "peers",
        "Other libraries",
        "All of them compute the same products; the rest is how.",
        peers.exhibits,
    ),
    Step(
        "estimators",
        "What a scikit-learn user gains",
        "One import changes; arguments, data and results stay.",
        estimators.exhibits,
    ),
    Step(
        "graph",
        "What the graph costs",
        "A tensor notes what is done with it. That is paid per operation, however large the "
        "arrays; a program pays nothing.",
        graph.exhibits,
    ),
)

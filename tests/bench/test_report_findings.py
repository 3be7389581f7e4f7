"""The sentences of the report are computed, also where the argument fails."""

from collections.abc import Callable
from typing import Any

import pytest

from accelnn.bench.report import estimators as report_estimators
from accelnn.bench.report import gradient as report_gradient
from accelnn.bench.report import graph as report_graph
from accelnn.bench.report import ladder as report_ladder
from accelnn.bench.report import memory as report_memory
from accelnn.bench.report import peers as report_peers
from accelnn.bench.report import predict as report_predict
from accelnn.bench.report import profile as report_profile
from accelnn.bench.report import threads as report_threads
from accelnn.bench.report import training as report_training
from accelnn.bench.report.data import Run
from accelnn.bench.report.exhibit import Exhibit, Lines
from accelnn.bench.report.words import percent, plain, seconds, size
from tests.bench import runs


def shown(build: Callable[[Run], list[Exhibit]], *benches: Any) -> dict[str, Exhibit]:
    return {each.key: each for each in build(Run(runs.run(benches), "here"))}


def said(build: Callable[[Run], list[Exhibit]], key: str, *benches: Any) -> str:
    return " ".join(shown(build, *benches)[key].findings)


def test_share_of_the_products() -> None:
    most = said(report_profile.exhibits, "shares", runs.profile("numba", 1.0, share=0.8))
    assert "numba, sgd, batch 128: products take 80 % of an epoch; most of the work" in most
    assert "The largest piece of the rest is bias and ReLU, 10 %." in most
    few = said(report_profile.exhibits, "shares", runs.profile("numba", 1.0, share=0.3))
    assert "products take 30 % of an epoch; here the argument fails" in few


def test_shares_are_of_the_epoch_that_was_profiled() -> None:
    case = runs.profile("numba", 1.0, share=0.8)
    case["extra_info"] |= {"profiled_seconds": 2.4, "measured_seconds": 0.1}
    words = said(report_profile.exhibits, "shares", case)
    assert "products take 40 % of an epoch" in words


def test_products_inside_and_predicted() -> None:
    inside = said(report_profile.exhibits, "inside", runs.profile("numba", 1.0))
    assert "between 67 % (layer 3 inputs) and 80 % (layer 1 forward) of its speed" in inside
    words = said(report_profile.exhibits, "predicted", runs.profile("numba", 1.0))
    assert "predict 912 ms for an epoch; 1.2 s were measured, 1.32 × as long" in words


def test_ladder() -> None:
    words = said(report_ladder.exhibits, "ladder", *runs.ladder())
    assert "loops in another order (8), NumPy's product, 1 thread (16 to 32)" in words
    assert "NumPy's product, all threads (64 to 2048)" in words
    assert "91 GFLOP/s: NumPy's product, all threads at size 2048, 91 % of the" in words
    assert (
        "accelnn's product: all threads are 1.87 × as fast as one at size 2048, and slower than "
        "one at 8, 16, 32 and 64, where the argument fails." in words
    )
    assert "All products at once write 64 MiB at size 256" in words


def test_ladder_of_two_shapes_with_one_volume() -> None:
    shapes = [(8, 16, 32), (32, 16, 8)]
    made = [runs.product("matmul/rungs", "x", *shape, 1e-6) for shape in shapes]
    chart = shown(report_ladder.exhibits, *made)["ladder"].chart
    assert isinstance(chart, Lines)
    assert chart.x == "size (cube root of n × k × m)"
    assert [len(series.points) for series in chart.series] == [2]


def test_counts() -> None:
    exhibit = shown(report_ladder.exhibits, *runs.ladder(sizes=(4,)))["counts"]
    assert exhibit.table.rows == [["4 × 4 × 4", "64", "48", "112", "3", "37.3", "256 bytes"]]


def test_speed_up_over_the_first_rung() -> None:
    words = said(report_ladder.exhibits, "speed-ups", *runs.ladder())
    assert words == (
        "At size 128, NumPy's product, all threads is 10,262 × as fast as three loops in Python."
    )
    alone = said(report_ladder.exhibits, "speed-ups", *runs.ladder()[:1])
    assert alone.endswith("nothing is faster than three loops in Python: here the argument fails.")


def test_threads_with_a_fit() -> None:
    exhibit = shown(report_threads.exhibits, *runs.scaling())["strong"]
    assert (
        "product of 1024: 5.93 × as fast with 8 threads as with 1 thread. Amdahl's law fits best "
        "with 5 % serial work: at most 20 ×, however many threads." in exhibit.findings
    )
    assert isinstance(exhibit.chart, Lines)
    assert len(exhibit.chart.guides) == 4  # the ideal, and three fits


@pytest.mark.parametrize("threads", [(1,), (1, 2), (2, 3, 4)])
def test_threads_without_a_fit(threads: tuple[int, ...]) -> None:
    exhibit = shown(report_threads.exhibits, *runs.scaling(threads=threads))["strong"]
    assert isinstance(exhibit.chart, Lines)
    assert [guide.name for guide in exhibit.chart.guides] == ["as fast as there are threads"]
    assert exhibit.findings[-1].startswith("No Amdahl curve for product of 1024, ReLU")
    assert "at least 3 thread counts, one thread among them" in exhibit.findings[-1]


def test_threads_that_do_not_help() -> None:
    def strong(times: dict[int, float]) -> str:
        made = [runs.bench("scaling/strong", "x", s, threads=t) for t, s in times.items()]
        return said(report_threads.exhibits, "strong", *made)

    words = strong({1: 1.0, 2: 1.25, 4: 2.0})
    assert "x: more threads do not help here" in words
    assert "at best 0.8 × the speed of 1 thread." in words
    words = strong({1: 1.0, 2: 0.6, 4: 0.9})
    assert "1.67 × as fast with 2 threads as with 1 thread. More threads than that lose" in words


def test_weak_scaling() -> None:
    words = said(report_threads.exhibits, "weak", *runs.scaling())
    assert "ReLU of 10,000,000: with 8 times the threads" in words
    assert "each thread keeps 49 % of its speed." in words


def test_roofline() -> None:
    words = said(report_memory.exhibits, "roofline", *runs.scaling())
    assert "numba: at most 100 GFLOP/s and 20 GB/s were measured" in words
    assert "below 5 operations per byte memory is the limit" in words
    assert "Memory bounds 2 of 4 points here" in words
    assert "2 of these reach 50 % of that bound or more." in words
    slow = runs.bench(
        "scaling/roofline", "numba", 9.0, backend="numba", kernel="add", flops=1e9, intensity=0.1
    )
    words = said(report_memory.exhibits, "roofline", *runs.scaling(), slow)
    assert "2 of these reach 50 % of that bound or more; something else holds the others" in words
    fast = runs.bench(
        "scaling/roofline", "numba", 0.01, backend="numba", kernel="add", flops=1e9, intensity=0.1
    )
    assert "Above the roof: numba (numba)" in said(report_memory.exhibits, "roofline", fast)


def test_kernels_and_fusing() -> None:
    words = said(report_memory.exhibits, "kernels", *runs.kernels())
    assert "numpy: 0 of 7 kernels reach 70 % of the roofline or more" not in words  # no ceilings
    words = said(report_memory.exhibits, "kernels", *runs.kernels(), *runs.scaling())
    assert "numpy: 0 of 7 kernels reach 70 % of the roofline or more" in words
    assert "numba: 7 of 7 kernels" in words
    words = said(report_memory.exhibits, "fused", *runs.kernels())
    assert (
        "numba: fused, loss and its gradient is 2.4 × as fast. It does not pay for adam." in words
    )


def test_exponents() -> None:
    words = said(report_gradient.exhibits, "gradient-time", *runs.gradients())
    assert "Time from 32 to 4,810 parameters (P) grows as: forward P^1.00, backward P^1.00" in words
    assert "forward differences P^1.99, central differences P^2.00" in words
    assert "backward: 2 × the time of the forward pass in the network 64-64-10" in words
    few = said(
        report_gradient.exhibits, "gradient-count", *runs.gradients(networks=((3, 5, 2), (9, 9)))
    )
    assert "grows" not in few
    assert "No exponent for forward, backward, forward differences" in few


def test_other_networks_have_no_say_in_the_exponent() -> None:
    grown = runs.gradients()
    odd = runs.bench("backprop_cost/cost", "backward", 50.0, method="backward", widths=[7, 7],
                     parameters=100_000, multiplications=1, series="network")  # fmt: skip
    for each in grown:
        each["extra_info"]["series"] = "width"
    words = said(report_gradient.exhibits, "gradient-time", *grown, odd)
    assert "backward P^1.00" in words


def test_perturbation_that_wins() -> None:
    made = [
        runs.bench("backprop_cost/cost", method, s, method=method, parameters=10, widths=[5, 2])
        for method, s in {"forward": 1.0, "backward": 9.0, "forward differences": 8.0}.items()
    ]
    words = said(report_gradient.exhibits, "gradient-time", *made)
    assert "Here the argument fails: forward differences takes less time than backward" in words


def test_from_product_to_training() -> None:
    made = [
        runs.bench("mnist/rungs", name, p + 1.0, product_seconds=p, step_seconds=p + 1.0, rung=name)
        for name, p in {"slow": 9.0, "fast": 1.0}.items()
    ]
    words = said(report_profile.rungs, "training-rungs", *made)
    assert "With slow, products take 90 % of a step" in words
    assert "at most 10 × faster" in words
    assert "its product is 9 × faster, the step 5 × (100 % of the bound)" in words
    assert "here the argument fails" in said(report_profile.rungs, "training-rungs", made[0])
    assert report_profile.amdahl_bound(0.9, 9.0) == pytest.approx(5.0)


def test_training() -> None:
    exhibits = shown(report_training.exhibits, *runs.training())
    assert (
        "numba, adam, batch 128: 98.49 % of the test images right"
        in exhibits["accuracy"].findings[3]
    )
    assert exhibits["time-to"].findings[1] == (
        "98 % of the test images: first by numba, adam, batch 128, after 5 s; last by numpy, sgd, "
        "batch 128, after 15.4 s."
    )
    assert exhibits["epochs"].findings[0] == (
        "sgd: the fastest is numba at batch 32, 128, 512 and 4096, 2.2 × as fast as the next."
    )
    assert "1.3 × what data, parameters and states need" in exhibits["memory"].findings[0]


def test_an_accuracy_that_is_not_reached() -> None:
    made = runs.bench("mnist/accuracy", "x", 1.0, backend="numba", curve=[[1.0, 0.9]], to_97=None)
    words = said(report_training.exhibits, "time-to", made)
    assert words.startswith("97 % was not reached within this run by numba.")


def test_prediction() -> None:
    exhibits = shown(report_predict.exhibits, *runs.prediction())
    assert exhibits["throughput"].findings[-1] == (
        "The fastest: numpy at 1, 8, 64, 512, 4,096 and 60,000."
    )
    assert "99 % within 51.6 µs, 1.6 × as long" in exhibits["latency"].findings[0]


def test_peers_that_win_lose_and_draw() -> None:
    assert shown(report_peers.exhibits, *runs.peers())["peers"].findings[:3] == [
        "sgd: slower than accelnn: scikit-learn 6.5 × (6.1 to 7).",
        "sgd: faster than accelnn, which loses here: JAX 0.8 × (0.75 to 0.85).",
        "sgd: no difference beyond the spread: PyTorch, compiled 1.05 × (0.9 to 1.2).",
    ]


def test_estimators_that_reach_what_was_meant_and_that_do_not() -> None:
    exhibits = shown(report_estimators.exhibits, *runs.estimators())
    fits = exhibits["estimator-fits"]
    assert fits.findings[0] == (
        "iris, float32: accelnn numba fits 5 × (4.5 to 5.5) as fast as scikit-learn; at least 4 × "
        "was meant."
    )
    assert fits.findings[3].startswith("mnist, float64 as float32: accelnn auto (numpy) fits 0.9 ×")
    assert "meant" not in fits.findings[3]
    assert [row[5] for row in fits.table.rows] == ["", "at least 4 ×", "", "", "at least 4.5 ×", ""]
    assert exhibits["estimator-row"].findings[0] == (
        "iris, float32: accelnn numba answers in 0.2 × (0.18 to 0.22) the time of scikit-learn; "
        "at most 0.45 × was meant."
    )
    slow = runs.estimators()
    for each in slow:
        each["extra_info"]["ratio"] = {"median": 1.5}
    missed = shown(report_estimators.exhibits, *slow)
    for key in ("estimator-fits", "estimator-row"):
        assert missed[key].findings[0].endswith("was meant, and is not reached.")


def test_estimators_in_float32_and_their_memory() -> None:
    exhibits = shown(report_estimators.exhibits, *runs.estimators())
    assert exhibits["estimator-float32"].findings == [
        "float32 recognises 0.10 points less than float64, on average."
    ]
    assert exhibits["estimator-float32"].table.rows[0][3:6] == ["98.10 %", "98.00 %", "98.20 %"]
    assert exhibits["estimator-memory"].findings == [
        "accelnn numba, float32: at most 30 MiB beyond the data, 40 % of the limit.",
        "scikit-learn, float32: at most 30 MiB beyond the data.",
    ]


def test_the_graph_that_costs_what_was_meant_and_more() -> None:
    exhibits = shown(report_graph.exhibits, *runs.graph())
    assert exhibits["graph-overhead"].findings[:2] == [
        "tensor + tensor, numpy: the graph adds 3 µs (2.7 to 3.3 µs); at most 5 µs was meant, and "
        "is reached.",
        "linear, numpy: the graph adds 6 µs (5.4 to 6.6 µs); at most 5 µs was meant, and is not "
        "reached.",
    ]
    assert exhibits["graph-overhead"].table.rows[0][:4] == [
        "tensor + tensor", "numpy", "5 µs", "2 µs",
    ]  # fmt: skip
    steps = exhibits["graph-steps"]
    assert steps.findings[:3] == [
        "sgd, all threads: numba eager takes 1.3 × (1.17 to 1.43) the program's time.",
        "sgd, all threads: numpy eager takes 1.2 × (1.08 to 1.32) the program's time; at most "
        "1.15 × was meant, and is not reached.",
        "sgd, 1 thread: numba eager takes 1.3 × (1.17 to 1.43) the program's time.",
    ]
    assert steps.findings[3].endswith("at most 1.15 × was meant, and is reached.")
    assert len(steps.findings) == 8
    assert [row[4] for row in steps.table.rows[:3]] == ["", "", "at most 1.15 ×"]


def test_a_round_in_which_the_graph_cost_less_than_nothing() -> None:
    made = runs.graph()
    made[0]["extra_info"]["overhead"]["low"] = -1e-6
    first = shown(report_graph.exhibits, *made)["graph-overhead"].findings[0]
    assert "the graph adds 3 µs (below 0 to 3.3 µs)" in first


def test_words() -> None:
    assert [plain(v) for v in (0, 0.1234, 12.34, 1234.5, 1.43e9, 3e-7, None)] == [
        "0", "0.123", "12.3", "1,234", "1.43 × 10⁹", "3.00 × 10⁻⁷", "–",
    ]  # fmt: skip
    assert [seconds(v) for v in (1.5, 2e-3, 3e-6, 4e-9)] == ["1.5 s", "2 ms", "3 µs", "4 ns"]
    assert [size(v) for v in (3 << 30, 1536, 10)] == ["3 GiB", "1.5 KiB", "10 bytes"]
    assert [percent(v) for v in (0.234, 0.99997, 1.0, 1.204)] == [
        "23 %",
        "99.997 %",
        "100 %",
        "120 %",
    ]

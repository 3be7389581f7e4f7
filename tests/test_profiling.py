"""What a profile says, on values: calls, operations, names; and that it leaves nothing behind."""

import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, backends, get_backend, nn, optim, train
from accelnn.backends import watching
from accelnn.kernels import NAMES
from accelnn.program import lower
from tests.profiled import BATCH, CPU, ROWS, STEPS, calls, fit, flops, made, mnist, products
from tests.profiled import parts as parts
from tests.stacks import data, stack

# What a program's rows say ------------------------------------------------------------------------


def test_numpys_calls_are_those_of_three_steps() -> None:
    program = made("numpy")
    with accelnn.profile() as found:
        fit(program)
    each = {("take_rows", ""): 2, ("cross_entropy", ""): 1, ("cross_entropy_backward", ""): 1}
    each["sgd", ""] = 1
    for i in (1, 2, 3):
        linear = f"Linear {i}"
        each |= {("add_bias", linear): 1, ("sum_rows", linear): 1}
        each |= {("matmul", f"{linear}, {which}"): 1 for which in ("forward", "weights", "input")}
        each |= {(name, linear): 1 for name in ("tanh", "tanh_backward")}
    for never in (
        ("matmul", "Linear 1, input"),
        ("tanh", "Linear 3"),
        ("tanh_backward", "Linear 3"),
    ):
        del each[never]
    assert calls(found) == {key: STEPS * n for key, n in each.items()}
    assert {row.backend for row in found.rows} == {"numpy"}


@pytest.mark.parametrize("backend", CPU)
def test_the_operations_of_the_products(backend: str) -> None:
    program = made(backend)
    with accelnn.profile() as found:
        fit(program)
    said = {key: n for key, n in flops(found).items() if key[0] == "matmul"}
    assert said == products([7, 6, 5, 3], [8, 8, 4])


#: Names of Numba's operations -> the kernels that they do at once.
TOGETHER = {"add_bias + relu", "cross_entropy + backward"}


@pytest.mark.usefixtures("parts")
def test_a_cut_and_fused_step_counts_what_the_plain_one_does() -> None:
    said: dict[str, Counter[str]] = {}
    layers: dict[str, Any] = {}
    for backend in CPU:
        model, program = mnist(backend)
        with accelnn.profile() as found:
            program.run(0, 1, [0.001])
        said[backend] = Counter()
        for row in found.rows:
            said[backend][row.kernel] += row.flops
        layers[backend] = {
            (row.layer, row.flops, row.bytes) for row in found.rows if row.kernel == "matmul"
        }
        both = said[backend]
        both["add_bias + relu"] += both.pop("add_bias", 0) + both.pop("relu", 0)
        loss = [both.pop(name, 0) for name in ("cross_entropy", "cross_entropy_backward")]
        both["cross_entropy + backward"] += sum(loss)
        count = accelnn.count_ops(model, 32)
        in_layers = sum(
            both[name] for name in ("matmul", "add_bias + relu", "relu_backward", "sum_rows")
        )
        assert in_layers == count.forward.flops + count.backward.flops
    assert +said["numba"] == +said["numpy"]
    assert layers["numba"] == layers["numpy"]


@pytest.mark.usefixtures("parts")
def test_the_engines_own_operations_have_rows() -> None:
    program = made("numba", hidden="dropout", optimizer="adam")
    with accelnn.profile() as found:
        fit(program)
        program.predict(np.ones((5, 7), np.float32))
    said = {row.kernel for row in found.rows}
    assert {"gather", "fetch", "deliver", "dropout", "adam"} <= said
    assert {row.layer for row in found.rows if row.kernel == "adam"} == {
        "Linear 1", "Linear 2", "Linear 3",
    }  # fmt: skip
    assert all(not row.flops for row in found.rows if row.kernel in ("gather", "wait"))


def test_threads_that_wait_for_each_other_have_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = pytest.importorskip("accelnn.kernels.on_numba.program")
    from accelnn.kernels.on_numba.threads import pool

    if pool().size < 2:
        pytest.skip("one core: nobody to wait for")
    monkeypatch.setattr(engine, "threads_for", lambda _flops: 2)
    _, program = mnist("numba")
    with accelnn.profile() as found:
        program.run(0, 1, [0.001])
    (wait,) = (row for row in found.rows if row.kernel == "wait")
    assert wait.calls % 2 == 0
    assert (wait.layer, wait.flops, wait.bytes, wait.roofline) == ("", 0, 0, None)


@pytest.mark.parametrize("backend", CPU)
def test_what_comes_before_the_first_linear_is_the_input(backend: str) -> None:
    model = nn.Sequential(nn.Tanh(), nn.Linear(7, 3, backend=backend), nn.Sigmoid())
    held, loss = get_backend(backend), nn.MSELoss()
    program = lower(model, loss, optim.SGD(model.parameters(), lr=0.1), held, BATCH)
    program.bind(*data(loss, ROWS, "float32"))
    with accelnn.profile() as found:
        fit(program)
    layers = {layer for kernel, layer in calls(found) if "tanh" in kernel}
    assert layers == {"input"}
    assert {layer for kernel, layer in calls(found) if "sigmoid" in kernel} == {"Linear 1"}


# The same results, and nothing left ---------------------------------------------------------------


@pytest.mark.parametrize("backend", CPU)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_the_weights_are_the_same(backend: str, optimizer: str) -> None:
    plain, watched = (made(backend, "dropout", optimizer) for _ in range(2))
    X = np.ones((5, 7), np.float32)
    fit(plain)
    fit(plain)
    fit(watched)  # what was made before the profile is not used in it
    with accelnn.profile():
        fit(watched)
        inside = watched.predict(X)
    np.testing.assert_array_equal(watched.plan.params, plain.plan.params)
    np.testing.assert_array_equal(inside, plain.predict(X))
    fit(plain)
    fit(watched)
    np.testing.assert_array_equal(watched.plan.params, plain.plan.params)


@pytest.mark.parametrize("backend", CPU)
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left(backend: str, fails: bool) -> None:
    held, program = get_backend(backend), made(backend)
    fit(program)
    before, views = dict(vars(held)), dict(program.plan.views)

    class Stop(Exception):
        pass

    def work() -> None:
        with accelnn.profile():
            assert vars(held) != before
            fit(program)
            if fails:
                raise Stop

    if fails:
        with pytest.raises(Stop):
            work()
    else:
        work()
    assert vars(held) == before
    assert program.plan.views.keys() == views.keys()
    assert all(program.plan.views[key] is view for key, view in views.items())
    with accelnn.profile() as again:
        fit(program)
    assert flops(again)["matmul", "Linear 1, forward"] == 20 * 6 * (2 * 7 - 1)


def test_a_program_that_is_closed_is_let_go() -> None:
    program = made("numpy")
    log = watching.Log()
    with backends.watched_by(log):
        fit(program)
        assert list(log._plans) == [id(program.plan)]
        program.close()
        assert not log._plans


@pytest.mark.parametrize("name", CPU)
def test_a_backend_made_inside_is_watched_until_the_end(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "_instances", {})
    with accelnn.profile() as found:
        program = made(name)
        fit(program)
    assert {row.backend for row in found.rows} == {name}
    assert sum(row.kernel == "matmul" for row in found.rows) == 8
    assert set(vars(get_backend(name))) == set(NAMES)


def test_copies_are_not_watched() -> None:
    with accelnn.profile() as found:
        copy = get_backend("numpy").intercept(lambda _name, kernel: kernel)
        model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        accelnn.count_ops(model, 5)
        copy.relu(np.ones(3))
    assert not found.rows
    assert "_unwatched" not in vars(copy)
    assert copy.relu is get_backend("numpy").relu


def test_profiles_do_not_nest() -> None:
    program = made("numpy")
    with accelnn.profile() as outer:
        with pytest.raises(RuntimeError, match="a profile is running already"), accelnn.profile():
            pass
        fit(program)
    assert calls(outer)["matmul", "Linear 1, forward"] == STEPS


# Other ways in ------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", CPU)
def test_the_eager_way(backend: str) -> None:
    model = stack("tanh", get_backend(backend), "float32")
    X, y = data(nn.CrossEntropyLoss(), 8, "float32")
    with accelnn.profile() as found:
        rule = optim.SGD(model.parameters(), lr=0.1)
        loss = nn.CrossEntropyLoss()(model(Tensor(X, backend=backend)), Tensor(y, backend=backend))
        loss.backward()
        rule.step()
    said = calls(found)
    assert {k: n for k, n in said.items() if k[0] == "matmul"} == {
        ("matmul", "8 x 7 x 6, NN"): 1,
        ("matmul", "8 x 6 x 5, NN"): 1,
        ("matmul", "8 x 5 x 3, NN"): 1,
        ("matmul", "7 x 8 x 6, TN"): 1,
        ("matmul", "6 x 8 x 5, TN"): 1,
        ("matmul", "5 x 8 x 3, TN"): 1,
        ("matmul", "8 x 3 x 5, NT"): 1,
        ("matmul", "8 x 5 x 6, NT"): 1,
    }
    assert (said["tanh", ""], said["tanh_backward", ""], said["sgd", ""]) == (2, 2, 6)
    by_hand = products([7, 6, 5, 3], [8]).values()
    assert sum(r.flops for r in found.rows if r.kernel == "matmul") == sum(by_hand)


def test_a_graph_that_is_walked_later_adds_nothing() -> None:
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with accelnn.profile() as found:
        y = nn.functional.sigmoid(x)
    y.backward(np.ones((2, 3)))
    assert calls(found) == {("sigmoid", ""): 1}


@pytest.mark.parametrize("backend", CPU)
def test_all_threads_are_heard(backend: str) -> None:
    program = made(backend)
    X = np.ones((BATCH, 7), np.float32)
    models = [made(backend) for _ in range(4)]
    program.predict(X)
    with accelnn.profile() as alone:
        program.predict(X)
    with accelnn.profile() as found:
        crowd = [threading.Thread(target=p.predict, args=(X,)) for p in models]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
    assert alone.rows
    assert calls(found) == {key: 4 * n for key, n in calls(alone).items()}


@pytest.mark.parametrize("backend", CPU)
def test_a_training_with_its_estimator(backend: str) -> None:
    X, y = data(nn.CrossEntropyLoss(), ROWS, "float32")
    with accelnn.profile() as found:
        mlp = accelnn.MLPClassifier((6, 5), batch_size=8, max_iter=1, backend=backend, solver="sgd")
        with pytest.warns(UserWarning, match="(?i)iterations|converge"):
            mlp.fit(X, y)
    said = {k: n for k, n in flops(found).items() if k[0] == "matmul"}
    assert said == products([7, 6, 5, 3], [8, 8, 4])
    model = stack("relu", get_backend(backend), "float64")
    X, y = data(nn.CrossEntropyLoss(), ROWS, "float64")
    with accelnn.profile() as found:
        rule = optim.SGD(model.parameters(), lr=0.1)
        train(model, nn.CrossEntropyLoss(), rule, X, y, epochs=2, batch_size=8)
    said = {k: n for k, n in flops(found).items() if k[0] == "matmul"}
    assert said == products([7, 6, 5, 3], [8, 8, 4] * 2)
    assert {row.dtype for row in found.rows if row.kernel == "matmul"} == {"float64"}


def test_two_backends_in_one_block() -> None:
    first, second = made("numpy"), made("numba")
    with accelnn.profile() as found:
        fit(first)
        fit(second)
    per: dict[str, int] = {}
    for row in found.rows:
        if row.kernel == "matmul":
            per[row.backend] = per.get(row.backend, 0) + row.flops
    assert per["numpy"] == per["numba"] == sum(products([7, 6, 5, 3], [8, 8, 4]).values())

"""layer_health and WatchLayers: norms and fractions by hand, and a model that stays as it is."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import LayerHealth, Parameter, Tensor, layer_health, nn, optim
from accelnn.backends import Backend
from tests.golden.entries import linear
from tests.tolerances import assert_close


def alone(activation: nn.Module, z: Any, backend: Backend) -> LayerHealth:
    """Return the health of an activation behind a layer that hands z on."""
    width = np.shape(z)[1]
    model = nn.Sequential(linear(np.eye(width), None, backend), activation)
    found: LayerHealth = layer_health(model, nn.MSELoss(), z, np.zeros_like(z))["1"]
    return found


def test_norms(backend: Backend, rng: Any) -> None:
    model = nn.Sequential(
        nn.Linear(3, 4, dtype="float64", backend=backend),
        nn.Tanh(),
        nn.Linear(4, 2, dtype="float64", backend=backend),
    )
    X, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
    report = layer_health(model, nn.MSELoss(), X, y)
    assert [row.name for row in report] == ["0", "1", "2"]
    assert [row.layer for row in report] == ["Linear", "Tanh", "Linear"]
    nn.MSELoss()(model(X), y).backward()
    for row, layer in ((report[0], model[0]), (report[2], model[2])):
        assert isinstance(layer, nn.Linear)
        assert layer.weight.grad is not None
        norms = [np.sqrt((t.numpy() ** 2).sum()) for t in (layer.weight.grad, layer.weight)]
        assert_close(np.array(row[2:4]), np.array(norms), length=12)
        assert row[4:] == (None, None)
    assert report[1][2:4] == (None, None)


def test_dead_units(backend: Backend) -> None:
    z = [[-1.0, 2.0, -3.0, 1.0], [-2.0, -1.0, 0.0, 4.0]]
    row = alone(nn.ReLU(), z, backend)
    assert (row.dead, row.saturated) == (2 / 4, 5 / 8)  # 0 has slope 0, too
    assert alone(nn.LeakyReLU(0.1), z, backend)[4:] == (0.0, 0.0)
    assert alone(nn.LeakyReLU(0.005), z, backend)[4:] == (0.0, 5 / 8)


@pytest.mark.parametrize(
    ("activation", "edge"), [(nn.Sigmoid(), 5.98), (nn.Tanh(), 2.99)], ids=["sigmoid", "tanh"]
)
def test_saturation(backend: Backend, activation: nn.Module, edge: float) -> None:
    """σ' = σ(1-σ) is 1 % of ¼ at z = 5.983, 1 - tanh² is 1 % of 1 at 2.993."""
    z = [[0.0, edge, edge + 0.01], [1.0, -edge, -edge - 0.01]]
    assert alone(activation, z, backend)[4:] == (0.0, 2 / 6)


def test_what_is_far_off_is_dead(backend: Backend) -> None:
    assert alone(nn.Tanh(), [[50.0, 1.0], [-60.0, 1.0]], backend)[4:] == (0.5, 0.5)


def test_an_activation_without_slope(backend: Backend) -> None:
    class Half(nn.Module):
        """A step that no gradient passes."""

        def forward(self, x: Tensor) -> Tensor:
            return Tensor(x.numpy() > 0.5, dtype="float64", backend=x.backend)

    assert Half()(Tensor([1.0, 0.0], backend=backend)).tolist() == [1.0, 0.0]
    model = nn.Sequential(Half(), linear([[1.0, 1.0]], None, backend))
    report = layer_health(model, nn.MSELoss(), np.eye(2), [0.0, 0.0])
    assert report["0"][4:] == (1.0, 1.0)


def test_what_has_no_slope_of_its_own(backend: Backend) -> None:
    layers = [nn.Flatten(), linear(np.eye(2), None, backend), nn.Dropout(0.5), nn.Softmax()]
    report = layer_health(nn.Sequential(*layers), nn.MSELoss(), np.eye(2), np.eye(2))
    assert [row.name for row in report] == ["1"]


def test_normalisation_has_a_weight(backend: Backend) -> None:
    norm = nn.LayerNorm(2, dtype="float64", backend=backend)
    report = layer_health(nn.Sequential(norm), nn.MSELoss("sum"), [[1.0, 3.0]], [[0.0, 0.0]])
    # x̂ = (-1, 1) (1 - ½ 10⁻⁵), dγ = 2 x̂²
    assert report["0"].gradient_norm == pytest.approx(2 * np.sqrt(2), rel=1e-4)
    assert report["0"].weight_norm == pytest.approx(np.sqrt(2))


def test_classes_and_images(backend: Backend, rng: Any) -> None:
    model = nn.Sequential(nn.Linear(4, 3, backend=backend), nn.ReLU())
    X, y = rng.integers(0, 255, (6, 2, 2)).astype("uint8"), [0, 1, 2, 0, 1, 2]
    report = layer_health(model, nn.CrossEntropyLoss(), X, y, input_scale=1 / 255)
    flat = X.reshape(6, 4).astype("float32") / np.float32(255)
    nn.CrossEntropyLoss()(model(flat), y).backward()
    assert isinstance(model[0], nn.Linear)
    assert model[0].weight.grad is not None
    norm = np.linalg.norm(model[0].weight.grad.numpy())
    assert report["0"].gradient_norm == pytest.approx(norm, rel=1e-5)


def test_the_model_stays_as_it_is(backend: Backend, rng: Any) -> None:
    drop, norm = nn.Dropout(0.5, seed=3), nn.BatchNorm1d(3, backend=backend)
    model = nn.Sequential(nn.Linear(2, 3, backend=backend), norm, nn.ReLU(), drop)
    model(rng.normal(size=(5, 2)).astype("float32")).sum().backward()
    calls: list[Any] = []
    model[2].register_forward_hook(lambda *told: calls.append(told))
    state, held = model.state_dict(), [p.grad for p in model.parameters()]
    before = [g.tolist() for g in held if g is not None]
    layer_health(model, nn.MSELoss(), rng.normal(size=(4, 2)), rng.normal(size=(4, 3)))
    assert [p.grad for p in model.parameters()] == held
    assert [g.tolist() for g in held if g is not None] == before
    assert len(before) == 4
    assert (drop.call, model.training, drop.training, calls) == (1, True, True, [])
    assert [module.has_hooks for module in model.modules()] == [False, False, False, True, False]
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, state[name])


def test_neither_old_gradients_nor_dropout_enter(backend: Backend, rng: Any) -> None:
    drop = nn.Dropout(0.5, seed=3)
    model = nn.Sequential(nn.Linear(2, 3, backend=backend), drop, nn.Linear(3, 1, backend=backend))
    X, y = rng.normal(size=(4, 2)), rng.normal(size=(4, 1))
    expected = layer_health(deepcopy(model).eval(), nn.MSELoss(), X, y)
    model(X.astype("float32")).sum().backward()
    assert layer_health(model, nn.MSELoss(), X, y) == expected


@pytest.mark.parametrize("layer", [nn.Sign(), nn.Step()], ids=str)
def test_steps_let_nothing_through(backend: Backend, layer: nn.Module) -> None:
    assert alone(layer, [[1.0, -2.0], [0.5, 0.0]], backend)[4:] == (1.0, 1.0)


def test_evaluation_mode_is_kept(backend: Backend) -> None:
    model = nn.Sequential(nn.Linear(1, 1, backend=backend), nn.Dropout(0.5)).eval()
    layer_health(model, nn.MSELoss(), [[1.0]], [1.0])
    assert not any(module.training for module in model.modules())


def test_report() -> None:
    model = nn.Sequential(nn.Linear(2, 4), nn.Sigmoid())
    report = layer_health(model, nn.MSELoss(), [[1.0, 2.0]], np.zeros((1, 4)))
    head = "name  layer    gradient norm  weight norm  dead  saturated"
    assert str(report).splitlines()[0] == head
    assert str(report).splitlines()[2].split() == ["1", "Sigmoid", "0.0%", "0.0%"]
    assert report["0"] is report[0]
    assert len(report) == 2
    with pytest.raises(KeyError, match="no layer 'a'; there are '0', '1'"):
        report["a"]


def test_a_loss_that_is_no_number() -> None:
    with pytest.raises(accelnn.errors.GraphError, match="needs gradient="):
        layer_health(nn.Linear(1, 1), nn.MSELoss("none"), [[1.0], [2.0]], [1.0, 2.0])


# WatchLayers --------------------------------------------------------------------------------------


def job(backend: Backend) -> tuple[Any, ...]:
    accelnn.manual_seed(5)
    model = nn.Sequential(
        nn.Linear(2, 3, backend=backend),
        nn.Dropout(0.2, seed=1),
        nn.ReLU(),
        nn.Linear(3, 1, backend=backend),
    )
    X = np.random.default_rng(1).normal(size=(20, 2)).astype("float32")
    return model, nn.MSELoss(), optim.Adam(model.parameters(), lr=0.1), X, X.sum(1)


def test_watching_changes_no_weight(backend: Backend) -> None:
    one, two = job(backend), job(backend)
    watch = accelnn.WatchLayers(one[3], one[4], every=2)
    history = accelnn.train(
        *one, epochs=5, batch_size=8, seed=0, backend=backend, callbacks=[watch]
    )
    accelnn.train(*two, epochs=5, batch_size=8, seed=0, backend=backend)
    assert history.engine == "program"
    for name, value in one[0].state_dict().items():
        np.testing.assert_array_equal(value, two[0].state_dict()[name])
    assert (watch.epochs, len(watch.reports)) == ([2, 4], 2)


def test_it_sees_the_weights_of_its_epoch(backend: Backend) -> None:
    model, loss, adam, X, y = job(backend)
    watch = accelnn.WatchLayers(X, y)
    accelnn.train(
        model, loss, adam, X, y, epochs=3, batch_size=8, backend=backend, callbacks=[watch]
    )
    assert watch.reports[-1] == layer_health(model, loss, X, y)
    norms = [report["0"].weight_norm for report in watch.reports]
    assert len(set(norms)) == 3
    accelnn.train(model, loss, adam, X, y, backend=backend, callbacks=[watch])
    assert watch.epochs == [1]  # a new training, a new list


def test_it_watches_the_eager_way_too(backend: Backend) -> None:
    model, _, adam, X, y = job(backend)
    watch = accelnn.WatchLayers(X, y)
    with pytest.warns(UserWarning, match="the eager way"):
        accelnn.train(
            model,
            lambda p, t: ((p - t) ** 2).sum(),
            adam,
            X,
            y[:, None],
            backend=backend,
            callbacks=[watch],
        )
    assert watch.reports[0]["3"].gradient_norm is not None


def test_frozen_weights_have_no_gradient_norm(backend: Backend) -> None:
    model = nn.Sequential(nn.Linear(1, 2, backend=backend), nn.Linear(2, 1, backend=backend))
    assert isinstance(model[0], nn.Linear)
    model[0].weight = Parameter([[1.0], [2.0]], requires_grad=False, backend=backend)
    report = layer_health(model, nn.MSELoss(), [[1.0]], [3.0])
    assert (report["0"].gradient_norm, report["0"].weight_norm) == (None, pytest.approx(np.sqrt(5)))


@pytest.mark.parametrize("every", [0, -1, 1.5, True])
def test_every_is_a_count(every: Any) -> None:
    with pytest.raises(ValueError, match="every must be an integer of at least 1"):
        accelnn.WatchLayers([[1.0]], [1.0], every=every)

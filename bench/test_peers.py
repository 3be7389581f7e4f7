"""How long is an epoch of the same network in scikit-learn, PyTorch and JAX?

The same data, order and initial weights for all (scikit-learn takes its own order and weights), one
after the other in rounds; a ratio is a competitor's seconds over accelnn's on Numba.
"""

from importlib.util import find_spec
from typing import Any, NamedTuple

import pytest

from accelnn.bench.contestants import flops
from accelnn.bench.networks import RATES, load
from accelnn.bench.peer_epochs import OURS
from accelnn.bench.peer_rounds import PLAIN, Race, Result, contest
from accelnn.bench.playback import play_back, taken_elsewhere
from accelnn.bench.settings import Settings

#: Competitors by what the JSON calls them: (their name in the contest, what has to be installed).
PEERS = {
    OURS: (OURS, "numba"),
    "accelnn numpy": ("accelnn numpy", "numpy"),
    "accelnn cupy": ("accelnn cupy", "cupy"),
    "plain NumPy loop": (PLAIN, "numpy"),
    "scikit-learn": ("scikit-learn", "sklearn"),
    "PyTorch": ("torch eager", "torch"),
    "JAX": ("jax scan", "jax"),
}
#: What is left out where it would take longest, to import or to compile.
SLOW_TO_START = {"full": (), "quick": ("JAX",), "smoke": ("PyTorch", "JAX")}


class Peer(NamedTuple):
    """A competitor with an optimizer."""

    who: str
    optimizer: str

    def __str__(self) -> str:
        return f"{self.who}-{self.optimizer}"


def absence(who: str, optimizer: str, settings: Settings) -> str:
    """Return why a competitor does not take part, empty if it does."""
    library = PEERS[who][1]
    if optimizer not in optimizers(settings):
        return f"a {settings.scale} run has one optimizer, {optimizers(settings)[0]}"
    if who == "accelnn cupy" and "cupy" not in settings.backends:
        return "the backend cupy cannot run here, or was not asked for"
    if find_spec(library) is None:
        return f"{library} is not installed; pip install 'accelnn[peers]' brings it"
    if who in SLOW_TO_START[settings.scale]:
        return f"it takes long to start; a {settings.scale} run leaves it out"
    return ""


def optimizers(settings: Settings) -> tuple[str, ...]:
    """Return those that are measured."""
    return settings.pick(tuple(RATES), ("adam",), ("sgd",))


def cases_epochs(settings: Settings) -> list[Any]:
    """Everybody, those who take no part with the reason."""
    return [
        pytest.param(Peer(who, optimizer), marks=[pytest.mark.skip(reason=why)] if why else [])
        for optimizer in RATES
        for who in PEERS
        for why in [absence(who, optimizer, settings)]
    ]


@pytest.fixture(scope="session")
def race(settings: Settings) -> Race:
    """What is trained: in full all rows."""
    rows = settings.pick(None, 20 * settings.batch, 4 * settings.batch)
    return Race(rows, settings.network, settings.batch)


@pytest.fixture(scope="session")
def results(settings: Settings, race: Race) -> dict[tuple[str, str], Result]:
    """What everybody did, in rounds that all cases share."""
    names = [
        name
        for who, (name, _) in PEERS.items()
        if not absence(who, optimizers(settings)[0], settings)
    ]
    return contest(
        names,
        optimizers(settings),
        race,
        dtypes=settings.pick(("float32", "float64"), ("float64",), ("float64",)),
        rounds=settings.pick(5, 3, 1),
        pause=settings.pick(0.3, 0.15, 0.0),
    )


@taken_elsewhere
def test_epochs(
    benchmark: Any,
    settings: Settings,
    race: Race,
    results: dict[tuple[str, str], Result],
    case: Peer,
) -> None:
    result = results[case.optimizer, PEERS[case.who][0]]
    data, X, _ = load(race.rows)
    rows = len(X)
    benchmark.group = case.optimizer
    benchmark.extra_info.update(
        who=case.who,
        optimizer=case.optimizer,
        batch=race.batch,
        rows=rows,
        data=data.name,
        flops=flops(rows, X.shape[1], race.widths),
        ratio=result.ratio,
        mine=case.who.startswith("accelnn"),
        distance=result.distance,
    )
    play_back(benchmark, result.seconds)

"""What is shipped is what is on disk."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "setuptools"
]


def on_disk() -> set[str]:
    """Packages as folders with an ``__init__.py``, under the names they are installed as."""
    found = set()
    for top, name in (
        ("accelnn", "accelnn"),
        ("kernels", "accelnn.kernels"),
        ("bench", "accelnn.bench"),
    ):
        for path in (ROOT / top).glob("**/__init__.py"):
            if any(part.is_symlink() for part in path.parents):
                continue
            inner = path.parent.relative_to(ROOT / top).parts
            found.add(".".join([name, *inner]))
    return found


def test_package_list() -> None:
    assert set(SETTINGS["packages"]) == on_disk()


def test_cuda_sources_are_package_data() -> None:
    assert "*.cu" in SETTINGS["package-data"]["*"]
    assert "py.typed" in SETTINGS["package-data"]["*"]
    assert (ROOT / "accelnn/py.typed").exists()


@pytest.mark.parametrize("name", ["kernels", "bench"])
def test_links(name: str) -> None:
    link = ROOT / "accelnn" / name
    assert link.is_symlink()
    assert link.resolve() == ROOT / name


def test_no_second_copy_of_the_kernels_under_another_name() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import kernels"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 1
    assert "import that, not 'kernels'" in done.stderr

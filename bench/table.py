"""Print the figures of a ``ratios`` run as the tables of ``docs/performance.md``.

``python -m accelnn.bench.table bench/results/ratios.json``
"""

import json
import sys
from pathlib import Path
from typing import Any


def lines(found: dict[str, Any]) -> list[str]:
    """Return the lines of Markdown for what ``ratios.py`` wrote."""
    m = found["machine"]
    cpu = m["backends"][0]
    made = [
        f"{m['time']}, {cpu['device']}, {m['cores']} cores, Python {m['python']}, NumPy "
        f"{cpu['version']} with {cpu['blas']}, Numba {m['backends'][1]['version']}.",
        "",
        "| one epoch | s, SGD | × plain | s, Adam | × plain |",
        "|---|---|---|---|---|",
    ]
    key = "times the speed of the plain loop"
    for name, sgd in found["epoch"]["sgd"].items():
        adam = found["epoch"]["adam"][name]
        made.append(
            f"| {name} | {sgd['median']:.2f} | {sgd[key]:.2f} | {adam['median']:.2f} "
            f"| {adam[key]:.2f} |"
        )
    ratio = found["imports"]["import accelnn / import numpy"]
    made += [
        "",
        "| start | |",
        "|---|---|",
        f"| `import accelnn` / `import numpy`, whole processes | {ratio:.2f} |",
    ]
    for name, row in found["first fit"].items():
        made.append(f"| first Numba fit of a process, {name} | {row['median']:.1f} s |")
    return made


if __name__ == "__main__":
    print("\n".join(lines(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))

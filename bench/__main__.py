"""``python -m accelnn.bench``: what ``accelnn bench`` starts."""

import sys

if __name__ == "__main__":
    try:
        from accelnn.bench.command import bench  # Ctrl-C may come while it is being imported

        bench(prog_name="accelnn bench")
    except KeyboardInterrupt:
        sys.exit(130)

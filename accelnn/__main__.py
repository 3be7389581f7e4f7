"""``python -m accelnn`` is the command ``accelnn``."""

from accelnn.cli import main

main(prog_name="accelnn")

"""The environment of programs that the tests start."""

import os

# One thread: two that wait for each other take many times longer on a busy machine.
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}

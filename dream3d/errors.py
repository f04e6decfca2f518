"""The ways a request can end without a result. The command line maps them to exit codes 2, 1 and 130."""


class InputError(ValueError):
    """The caller asked for something impossible; the message says in one line what to do instead."""


class RunError(RuntimeError):
    """The request was fine but the run failed (disk full, field diverged); the message says why."""


class DiskError(RunError):
    """Nothing more can be written, so that what would follow cannot be kept either."""


class StoppedError(Exception):
    """Whoever follows a run wants it to end now. Nothing is wrong; nothing is written but a checkpoint."""

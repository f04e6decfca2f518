"""The two ways a request can end badly. The command line maps them to exit codes 2 and 1."""


class InputError(ValueError):
    """The caller asked for something impossible; the message says in one line what to do instead."""


class RunError(RuntimeError):
    """The request was fine but the run failed (disk full, field diverged); the message says why."""


class DiskError(RunError):
    """Nothing more can be written, so that what would follow cannot be kept either."""

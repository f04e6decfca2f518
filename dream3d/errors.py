"""The ways a request can end without a result. The command line maps them to exit codes 2, 1 and 130."""


def reason_of(error: BaseException) -> str:
    """The first line of what a library says, on one line; the kind of the error where it says nothing."""
    lines = str(error).strip().splitlines()
    return " ".join(lines[0].split())[:300] if lines else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was no room, as Python says it or as torch and the system do."""
    text = str(error)
    return isinstance(error, MemoryError) or "out of memory" in text or "allocate memory" in text


class InputError(ValueError):
    """The caller asked for something impossible; the message says in one line what to do instead."""


class BusyError(InputError):
    """Another process is at it."""


class RunError(RuntimeError):
    """The request was fine but the run failed (disk full, field diverged); the message says why."""


class DiskError(RunError):
    """Nothing more can be written, so that what would follow cannot be kept either."""


class StoppedError(Exception):
    """Whoever follows a run wants it to end now. Nothing is wrong; nothing is written but a checkpoint."""

"""Peak memory of one piece of work in a process that lives on."""

import re
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """The most memory this process held since this object was made. Linux only: None elsewhere."""

    def __init__(self) -> None:
        try:
            _CLEAR.write_text("5")  # proc(5): sets the peak back to what is held now
            self._is_reset = True
        except OSError:
            self._is_reset = False

    def megabytes(self) -> float | None:
        """Resident memory in 10^6 bytes, of the whole process: interpreter, libraries and prior included."""
        match = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text()) if self._is_reset else None
        return int(match[1]) * 1024 / 1e6 if match else None

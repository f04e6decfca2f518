"""Optional libraries, each behind an extra of the package."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from dream3d.errors import InputError


def import_extra(module: str, extra: str, asked: str, instead: str = "leave it out") -> Any:
    """Import an optional library.

    Args:
        module: Its name.
        extra: The extra of the package that installs it.
        asked: What needs it, as the user asked for it.
        instead: What to do without it.

    Raises:
        InputError: It is not installed; the message says how to get it.
    """
    check_extra(module, extra, asked, instead)
    return import_module(module)


def check_extra(module: str, extra: str, asked: str, instead: str = "leave it out") -> None:
    """The check alone, which is quick; see `import_extra`."""
    try:
        is_there = find_spec(module) is not None
    except ValueError:  # its entry in sys.modules is no module
        is_there = False
    if not is_there:
        raise InputError(f"{asked} needs the {extra} extra: pip install 'dream3d[{extra}]', or {instead}")

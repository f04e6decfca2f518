"""Encoded texts on disk: a text encoder of gigabytes is loaded once per prompt, not once per run."""

import contextlib
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load, save
from torch import Tensor

Encoded = tuple[Tensor, Tensor]  # tokens [L, D] and pooled text [P] of one text


@dataclass(frozen=True)
class TextCache:
    """A folder of safetensors files, each named by the checksum of what decides about its content."""

    folder: Path

    @classmethod
    def of_user(cls) -> "TextCache":
        """Under XDG_CACHE_HOME, or ~/.cache."""
        home = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return cls((home if home.is_absolute() else Path.home() / ".cache") / "dream3d" / "text")

    def load(self, key: str) -> Encoded | None:
        """What was stored under a key; None where nothing is, or it is damaged."""
        try:
            content = self._path(key).read_bytes()
            if content[:64] != _checksum(content[64:]):
                return None
            tensors = load(content[64:])
            return tensors["tokens"], tensors["pooled"]
        except Exception:  # A file of anyone's: whatever is wrong with it, the text is encoded again.
            return None

    def store(self, key: str, encoded: Encoded) -> None:
        """Keep an encoded text; a disk that takes no more is no reason to fail."""
        tokens, pooled = encoded
        content = save({"tokens": tokens.contiguous(), "pooled": pooled.contiguous()})
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(_checksum(content) + content)
                Path(name).replace(self._path(key))
            except OSError:
                Path(name).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.text"


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()

"""Layout of a multi-resolution hash grid: which rows of the feature table belong to which level."""

import math
from dataclasses import dataclass

from dream3d.errors import InputError

MAX_LEVELS = 32  # D3D_MAX_LEVELS in cuda/include/dream3d/hash_grid.h
SUPPORTED_FEATURES = (1, 2, 4, 8)
# Entries of a dense level are rounded up to a whole number of cache lines at two features per entry.
_ENTRY_ALIGNMENT = 8


@dataclass(frozen=True)
class HashGridLevels:
    """Resolutions and table ranges of the levels; made by `hash_grid_levels`.

    Level l has `resolutions[l]` cells and one more vertex per axis, and owns the table rows
    `offsets[l]:offsets[l + 1]`. It is dense (one row per vertex) where the vertices fit, hashed otherwise.
    """

    resolutions: tuple[int, ...]  # [L] cells per axis
    offsets: tuple[int, ...]  # [L + 1] first table row of each level, then the number of rows
    features_per_level: int

    @property
    def num_levels(self) -> int:
        """Number of levels L."""
        return len(self.resolutions)

    @property
    def num_entries(self) -> int:
        """Rows E of the table [E, F]."""
        return self.offsets[-1]

    @property
    def output_dim(self) -> int:
        """Length L * F of one encoded point."""
        return self.num_levels * self.features_per_level

    def is_hashed(self, level: int) -> bool:
        """Whether several vertices of `level` share one table row."""
        return (self.resolutions[level] + 1) ** 3 > self.offsets[level + 1] - self.offsets[level]


def hash_grid_levels(
    num_levels: int,
    features_per_level: int,
    log2_hashmap_size: int,
    base_resolution: int,
    finest_resolution: int,
) -> HashGridLevels:
    """Lay out a grid whose resolutions grow geometrically (Mueller et al. 2022, equations 2 and 3).

    Args:
        num_levels: L, 1 to 32.
        features_per_level: F, one of 1, 2, 4, 8.
        log2_hashmap_size: A level holds at most 2 to this power rows, 3 to 24.
        base_resolution: Cells per axis of the coarsest level.
        finest_resolution: Cells per axis of the finest level; ignored with a single level.

    Raises:
        InputError: An argument is out of range.
    """
    if not 1 <= num_levels <= MAX_LEVELS:
        raise InputError(f"num_levels must be 1 to {MAX_LEVELS}, got {num_levels}")
    if features_per_level not in SUPPORTED_FEATURES:
        raise InputError(f"features_per_level must be one of {SUPPORTED_FEATURES}, got {features_per_level}")
    if not 3 <= log2_hashmap_size <= 24:
        raise InputError(f"log2_hashmap_size must be 3 to 24, got {log2_hashmap_size}")
    if not 1 <= base_resolution <= finest_resolution <= 65536:
        raise InputError(
            "resolutions must satisfy 1 <= base_resolution <= finest_resolution <= 65536, "
            f"got {base_resolution} and {finest_resolution}"
        )
    growth = (math.log(finest_resolution) - math.log(base_resolution)) / max(num_levels - 1, 1)
    # The nudge keeps floor() from losing a cell where the power is a whole number up to rounding.
    resolutions = tuple(
        int(base_resolution * math.exp(level * growth) * (1 + 1e-9)) for level in range(num_levels)
    )
    offsets = [0]
    for resolution in resolutions:
        vertices = (resolution + 1) ** 3
        rows = -(-vertices // _ENTRY_ALIGNMENT) * _ENTRY_ALIGNMENT
        offsets.append(offsets[-1] + min(rows, 2**log2_hashmap_size))
    return HashGridLevels(resolutions, tuple(offsets), features_per_level)

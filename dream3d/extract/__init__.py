"""From a density field to a clean, unwrapped triangle mesh."""

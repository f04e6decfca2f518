"""Many prompts or files in, one table out: what `dream3d eval` does."""

"""Many prompts in, a folder of assets out, whatever happens to the processes: what `dream3d batch` does."""

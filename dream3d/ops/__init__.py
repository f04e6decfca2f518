"""The compiled kernels as torch operations: one file per kernel, each with a plain-torch reference twin."""

"""Several things in one prompt: what the words say of how they stand, and how they are put so."""

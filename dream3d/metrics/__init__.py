"""How good an asset is, against truth that is known."""

"""The demo: a page over `Pipeline` and `Asset.save`, for visitors who have no reason to trust each other."""

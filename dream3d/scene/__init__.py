"""What is optimised: the radiance field, its occupancy grid, and backgrounds."""

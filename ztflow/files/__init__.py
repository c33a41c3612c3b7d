"""Files ztflow writes: temporary ones, and output that takes its place only when it is whole."""

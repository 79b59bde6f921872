"""Jitted functions over plain arrays: all that daskgraph computes, and nothing of files, config, progress."""

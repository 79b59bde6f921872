"""Jitted functions over plain arrays: everything daskgraph computes, and nothing about files, config or progress."""

"""Compiled graphs, shared by networks that differ only in numeric values.

This subpackage takes a network and returns functions that train it, evaluate it or
predict with it. They process a chunk of the data without running Python code between
its batches. Networks with the same signature share a graph. The graph is traced on a
template network, and is then bound to the variables of each network that shares it. The
subpackage imports `_utils` and `_network`.
"""

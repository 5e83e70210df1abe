"""Compiled graphs that are shared by networks that differ only in numeric values.

This subpackage takes a network and returns functions that train it, evaluate it or
predict with it. They process a chunk of the data without running Python between two
batches. Networks with the same signature share a graph. The graph is traced on a
template, and is then bound to the variables of each network. The subpackage imports
`_utils` and `_network`.
"""

"""Compiled graphs, each shared by all networks that differ only in numbers.

This part takes a network and returns functions that train it, evaluate it or predict
with it on a chunk of the data, without running Python between two batches. A signature
decides which networks can share a graph. The graph is traced on a template, and is then
bound to the variables of each network. It imports `_utils` and `_network`.
"""

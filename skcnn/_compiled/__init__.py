"""Compiled graphs, each shared by all networks that differ in numbers only.

It takes a network and gives functions that train it on, evaluate it on, or predict for
a chunk of the data, without Python between two batches: a signature decides which
networks can share a graph, the graph is traced on a template, and the variables of a
network are bound to it. It imports `_utils` and `_network`.
"""

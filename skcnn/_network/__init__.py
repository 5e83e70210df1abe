"""From hyper-parameters to a compiled Keras network.

It takes constructor parameters and properties of the training data, and gives a network
with its optimizer, its loss and, if asked for, averages of its weights; it also copies
and serializes such networks. It imports `_utils` only.
"""

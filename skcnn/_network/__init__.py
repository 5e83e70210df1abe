"""Build a compiled Keras network from hyperparameters.

This subpackage takes constructor parameters and properties of the training data. It
returns a network with its optimizer, its loss and, if requested, averages of its
weights. It also copies and serializes such networks. It imports only `_utils`.
"""

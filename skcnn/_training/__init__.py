"""The training of one network, and its predictions.

It takes a network and arrays of images and class indices, and gives a trained network
with its history: data are read in chunks, epochs are shuffled and run, callbacks are
called, training stops early, and checkpoints are written and resumed. It imports
`_utils`, `_network`, `_compiled` and `_checkpoint`.
"""

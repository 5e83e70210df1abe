"""Helpers that do not depend on networks or training.

They check arrays, labels and parameters, import TensorFlow, derive random numbers from
a seed, and wrap private APIs of other libraries. They take and return arrays and plain
Python values, and import no other subpackage of skcnn.
"""

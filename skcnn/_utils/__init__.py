"""Helpers that know nothing about networks or training.

They check arrays, labels and parameters, import TensorFlow, derive random numbers from
a seed, and hold everything that depends on a private part of another library. They take
and return arrays and plain Python values. They import no other part of skcnn.
"""

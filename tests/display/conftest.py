import pytest


@pytest.fixture(autouse=True)
def close_figures():
    """Close all figures after each test: matplotlib warns of more than 20 open ones."""
    import matplotlib.pyplot as plt

    yield
    plt.close("all")

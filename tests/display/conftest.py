import pytest


@pytest.fixture(autouse=True)
def close_figures():
    """Close all figures after each test. Matplotlib warns if more than 20 are open."""
    import matplotlib.pyplot as plt

    yield
    plt.close("all")

import pytest


@pytest.fixture(autouse=True)
def no_figure_left():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")

import numpy as np
import pytest
from image_helpers import save


@pytest.fixture
def image_folder(tmp_path):
    """Create three classes of 5, 3 and 4 images.

    All pixels of image i of class k have the value 10 * k + i.
    """
    for k, (name, count) in enumerate([("ant", 5), ("bee", 3), ("cat", 4)]):
        for i in range(count):
            pixels = np.full((6, 8, 3), 10 * k + i, dtype=np.uint8)
            save(tmp_path / name / f"{i}.png", pixels)
    return tmp_path

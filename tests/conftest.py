"""One thread for every test, so that times and bits do not depend on the machine; and data that tests share."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from drawn import structured

torch.set_num_threads(1)

SHAPES = {"table": (6,), "sequence": (5, 3), "image": (1, 7, 6), "pixels": (1, 7, 6)}


@pytest.fixture(params=list(SHAPES))
def X(request):
    """A table, sequences, images, and images of uint8 pixels."""
    data = structured(SHAPES[request.param])
    return (data * 255).round().astype(np.uint8) if request.param == "pixels" else data


@pytest.fixture
def table():
    return structured((6,))


@pytest.fixture(scope="session")
def real_data():
    """The folder of real data sets, where the machine has one."""
    folder = os.environ.get("NARROWS_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("NARROWS_DATA does not name a folder of data sets")
    return Path(folder)

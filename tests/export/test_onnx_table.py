"""Every estimator, network, code and kind of samples as ONNX is within 1e-5 of torch at batches of 1, 2 and 33."""

import pytest

pytest.importorskip("onnxruntime", reason="needs the extra export")

from export.table import EVERY, one_registry, parity
from narrows.export.parity import TOLERANCE
from own import registered


@pytest.fixture(scope="module", autouse=True)
def _prepared():
    with registered(), one_registry():
        yield


@pytest.mark.parametrize(("case", "kind"), [
    pytest.param(*pair, marks=pytest.mark.campaign if at % 7 else pytest.mark.slow) for at, pair in enumerate(EVERY)
])  # fmt: skip
def test_exported_functions_compute_what_torch_computes(case, kind, tmp_path):
    apart = parity(case, kind, tmp_path / "model")
    assert not isinstance(apart, str), apart
    assert apart.keys() == {"encoder", "decoder", "reconstruct", "score"}
    assert max(apart.values()) <= TOLERANCE, apart

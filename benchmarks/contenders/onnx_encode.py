"""The encoder in ONNX Runtime, its matrices in int8 (dynamic quantisation), pixels scaled within the graph."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from protocol import Prepared, serve

from data import code_error, digits, weights


def graph() -> onnx.ModelProto:
    """x (N, 784) uint8 -> z (N, 20) float32."""
    constants = [numpy_helper.from_array(np.float32(255), "white")]
    nodes = [
        helper.make_node("Cast", ["x"], ["bytes"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["bytes", "white"], ["h0"]),
    ]
    for i, (weight, bias) in enumerate(weights()):
        constants += [
            numpy_helper.from_array(np.ascontiguousarray(weight.T), f"weight{i}"),
            numpy_helper.from_array(bias, f"bias{i}"),
        ]
        nodes += [
            helper.make_node("MatMul", [f"h{i}", f"weight{i}"], [f"product{i}"]),
            helper.make_node("Add", [f"product{i}", f"bias{i}"], ["z" if i else "sum"]),
        ]
        nodes += [] if i else [helper.make_node("Relu", ["sum"], ["h1"])]
    x = helper.make_tensor_value_info("x", TensorProto.UINT8, ["N", 784])
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 20])
    model = helper.make_model(
        helper.make_graph(nodes, "encoder", [x], [z], constants), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def encode(rows: int, calls: int, precision: str = "int8") -> Prepared:
    """Codes of pixels in uint8, `calls` times."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "encoder.onnx")
        onnx.save(graph(), path)
        if precision == "int8":
            whole, path = path, Path(folder, "encoder-int8.onnx")
            quantize_dynamic(whole, path, weight_type=QuantType.QInt8, per_channel=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    X, found = digits("test", rows), []

    def run() -> None:
        for _ in range(calls):
            found[:] = session.run(None, {"x": X})

    return Prepared(run, lambda: code_error(found[0], rows))


if __name__ == "__main__":
    serve({"encode": encode})

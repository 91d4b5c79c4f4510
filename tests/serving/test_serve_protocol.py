"""The Open Inference Protocol: what models say of themselves, what they answer, and what they refuse."""

import json

import numpy as np
import pytest

from serving.serving_client import (
    COLOURS,
    LABELS,
    PIXELS,
    SEQUENCES,
    TABLE,
    TOKEN,
    array_of,
    client,
    fitted,
    infer,
    run_of,
    tensor,
)  # fmt: skip


@pytest.fixture(scope="module")
def pixels():
    with client(run_of("pixels"), run_of("table")) as opened:
        yield opened


def test_what_the_server_says_of_itself(pixels):
    for path in ("/v2", "/v2/"):
        about = pixels.get(path).json()
        assert about["name"] == "narrows"
        assert about["extensions"] == ["binary_tensor_data"]
    assert pixels.get("/v2/health/live").json() == {"live": True}
    assert pixels.get("/v2/health/ready").json() == {"live": True, "ready": True}
    assert pixels.get("/v2/models/pixels-encode/ready").json() == {"name": "pixels-encode", "ready": True}
    assert pixels.get("/v2/models/pixels-encode/versions/1/ready").status_code == 200


def test_what_a_model_says_of_itself(pixels):
    about = pixels.get("/v2/models/pixels-encode").json()
    assert about == pixels.get("/v2/models/pixels-encode/versions/1").json()
    assert about == {
        "name": "pixels-encode", "versions": ["1"], "platform": about["platform"],
        "inputs": [{"name": "x", "datatype": "UINT8", "shape": [-1, 1, 4, 5]}],
        "outputs": [{"name": "z", "datatype": "FP32", "shape": [-1, 2]}],
    }  # fmt: skip


@pytest.mark.parametrize(
    "path", ["pixel-encode", "pixels-encode/versions/2", "pixels-encode/versions/2/ready", "x/ready"]
)
def test_other_models_and_versions_are_not_found(pixels, path):
    answer = pixels.get(f"/v2/models/{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]
    assert pixels.post("/v2/models/pixels/infer", json={"inputs": []}).status_code == 404


def test_the_answers_are_those_of_the_estimator(pixels):
    model = run_of("pixels").load()
    Z = model.transform(PIXELS[:7])
    np.testing.assert_array_equal(infer(pixels, "pixels-encode", x=PIXELS[:7]), Z)
    np.testing.assert_array_equal(infer(pixels, "pixels-decode", z=Z), model.inverse_transform(Z))
    for verb in ("reconstruct", "denoise"):
        np.testing.assert_array_equal(infer(pixels, f"pixels-{verb}", x=PIXELS[:7]), model.reconstruct(PIXELS[:7]))
    np.testing.assert_array_equal(infer(pixels, "pixels-score", x=PIXELS[:7]), model.score_samples(PIXELS[:7]))
    pca = run_of("table").load()
    np.testing.assert_array_equal(infer(pixels, "table-encode", x=TABLE), pca.transform(TABLE))


def test_pixels_divided_by_255_are_the_same_pixels(pixels):
    divided = infer(pixels, "pixels-encode", x=(PIXELS / 255).astype(np.float32))
    np.testing.assert_allclose(divided, infer(pixels, "pixels-encode", x=PIXELS), atol=1e-6)


CASES = {
    "nhwc": (COLOURS, None), "steps": (np.stack([s[:2] for s in SEQUENCES]), None), "vq": (PIXELS, None),
    "ae": (TABLE, None), "classes": (TABLE, np.array(["x", "y", "z"])[LABELS]), "numbers": (TABLE, TABLE[:, :2]),
    "integers": ((TABLE * 100).astype(np.int64), None),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_every_kind_of_model_is_served(kind):
    """Images in another order, sequences, codes that are indices, labels that are classes or numbers."""
    X, y = CASES[kind]
    model = fitted(kind).model
    labels = {} if y is None else {"y": y.astype(object) if y.dtype.kind == "U" else y}
    Z = model.transform(X, y)
    with client(fitted(kind)) as served:
        np.testing.assert_array_equal(infer(served, f"{kind}-encode", x=X, **labels), Z)
        np.testing.assert_array_equal(infer(served, f"{kind}-decode", z=Z, **labels), model.inverse_transform(Z, y))
        np.testing.assert_array_equal(
            infer(served, f"{kind}-reconstruct", x=X, **labels), model.reconstruct(X, y=y)
        )  # fmt: skip
        np.testing.assert_array_equal(infer(served, f"{kind}-score", x=X, **labels), model.score_samples(X, y))
        about = served.get(f"/v2/models/{kind}-encode").json()["inputs"]
        assert about[0]["shape"] == [-1, *X.shape[1:]]
        assert [each["name"] for each in about[1:]] == list(labels)


def test_sequences_of_different_lengths():
    model = fitted("ragged").model
    lengths = np.array([len(sequence) for sequence in SEQUENCES[:6]])
    padded = np.zeros((6, 5, 2))
    for row, sequence in zip(padded, SEQUENCES, strict=False):
        row[: len(sequence)] = sequence
    with client(fitted("ragged")) as served:
        Z = infer(served, "ragged-encode", x=padded, lengths=lengths)
        np.testing.assert_array_equal(Z, model.transform(SEQUENCES[:6]))
        expected = model.reconstruct(SEQUENCES[:6])
        x_hat = infer(served, "ragged-reconstruct", x=padded, lengths=lengths)
        for row, sequence in zip(x_hat, expected, strict=True):
            np.testing.assert_array_equal(row[: len(sequence)], sequence)
            assert (row[len(sequence) :] == 0).all()
        alone = infer(served, "ragged-encode", x=SEQUENCES[0][None])
        np.testing.assert_allclose(alone, Z[:1], rtol=1e-5)


def binary(X, json_first=None, outputs=None, **more):
    """Return the body and the headers of a request whose tensor follows its JSON."""
    content = X.tobytes()
    about = tensor("x", X) | {"parameters": {"binary_data_size": len(content)}}
    del about["data"]
    text = json.dumps(more | {"inputs": [about]} | ({} if outputs is None else {"outputs": outputs})).encode()
    return text + content, {"Inference-Header-Content-Length": str(len(text) if json_first is None else json_first)}


def test_tensors_as_bytes(pixels):
    Z = run_of("pixels").load().transform(PIXELS)
    wanted = [{"name": "z", "parameters": {"binary_data": True}}]
    for more in ({"outputs": wanted}, {"parameters": {"binary_data_output": True}}):
        body, headers = binary(PIXELS, id="42", **more)
        answer = pixels.post("/v2/models/pixels-encode/versions/1/infer", content=body, headers=headers)
        assert answer.headers["content-type"] == "application/octet-stream"
        size = int(answer.headers["inference-header-content-length"])
        about = json.loads(answer.content[:size])
        assert (about["model_name"], about["model_version"], about["id"]) == ("pixels-encode", "1", "42")
        assert about["outputs"] == [
            {"name": "z", "shape": [60, 2], "datatype": "FP32", "parameters": {"binary_data_size": 480}}
        ]
        np.testing.assert_array_equal(np.frombuffer(answer.content[size:], np.float32).reshape(60, 2), Z)
    body, headers = binary(PIXELS)
    np.testing.assert_array_equal(
        array_of(pixels.post("/v2/models/pixels-encode/infer", content=body, headers=headers).json()["outputs"][0]), Z
    )


def refused(client, body, model="table-encode", **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post(f"/v2/models/{model}/infer", content=content, headers=headers)
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]


ROW = np.zeros((1, 3))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the body must be JSON"),
        (b"[" * 100_000, "nests too deeply"),
        (b"\xff\xfe", "the body must be JSON"),
        ([], "must be a JSON object; got list"),
        ({"inputs": 3}, "inputs must be a list of objects"),
        ({"inputs": []}, "encode: inputs must be x; got none"),
        ({"inputs": [tensor("y", ROW)]}, "encode: inputs must be x; got y"),
        ({"inputs": [tensor("x", ROW), tensor("x", ROW)]}, "it is there twice"),
        ({"inputs": [tensor("x", ROW)], "outputs": [{"name": "y"}]}, "outputs must be z; got y"),
        ({"inputs": [tensor("x", ROW)], "id": 3}, "id must be a text"),
        ({"inputs": [tensor("x", ROW, "FP128")]}, "datatype must be one of BOOL"),
        ({"inputs": [tensor("x", ROW) | {"shape": [-1, 3]}]}, "shape must be at most"),
        ({"inputs": [tensor("x", ROW) | {"shape": [2**40, 2**40]}]}, "shape must be at most"),
        ({"inputs": [tensor("x", ROW) | {"shape": [1, 4]}]}, "must have the values of its shape"),
        ({"inputs": [tensor("x", ROW) | {"data": [[0, 0], [0]]}]}, "data must hold numbers"),
        ({"inputs": [tensor("x", ROW) | {"data": ["a", "b", "c"]}]}, "data must hold numbers"),
        ({"inputs": [tensor("x", ROW) | {"data": [None, 0, 0]}]}, "data must hold numbers"),
        ({"inputs": [tensor("x", ROW) | {"data": [True, True, True]}]}, "data must hold numbers"),
        ({"inputs": [tensor("x", ROW, "UINT8") | {"data": [0, 0, 300]}]}, "values of UINT8; got 300"),
        ({"inputs": [tensor("x", ROW, "INT64") | {"data": [0, 0, 1.5]}]}, "values of INT64; got 1.5"),
        ({"inputs": [tensor("x", ROW, "FP16") | {"data": [0, 0, 1e6]}]}, "values of FP16; got 1000000"),
        ({"inputs": [tensor("x", ROW) | {"parameters": {"shared_memory_region": "r"}}]}, "which is not served"),
        ({"inputs": [tensor("x", ROW) | {"parameters": {"binary_data_size": 24}}]}, "binary_data_size must be"),
        ({"inputs": [tensor("x", np.zeros((1, 4)))]}, "PCA: X must have the 3 features of fit; got 4"),
        ({"inputs": [tensor("x", np.zeros((0, 3)))]}, "PCA: X must hold at least one value"),
        ({"inputs": [tensor("x", np.zeros(3))]}, "PCA: X must be a table"),
        ({"inputs": [tensor("x", np.array([["a", "b", "c"]], object))]}, "PCA: X must"),
        (b'{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 3], "data": [0, 1e999, 0]}]}', "PCA: X must"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_sentence(pixels, body, sentence):
    error = refused(pixels, body)
    assert sentence in error
    assert len(error) < 400


@pytest.mark.parametrize("header", ["0", "-1", "x", "1e3", "9" * 30, "٣", "1000000"])
def test_lengths_of_the_json_that_are_none(pixels, header):
    assert "must be the bytes" in refused(
        pixels, {"inputs": []}, **{"Inference-Header-Content-Length": header.encode()}
    )


def test_bytes_that_are_too_many_or_too_few(pixels):
    body, headers = binary(TABLE)
    assert "binary_data_size must be" in refused(pixels, body[:-1], **headers)
    assert "1 more bytes" in refused(pixels, body + b"x", **headers)
    short = body.replace(b'"shape": [60, 3]', b'"shape": [60, 2]')
    assert "must have 960 bytes; got 1,440" in refused(pixels, short, **headers)
    assert "the body must be JSON" in refused(pixels, body, **{"Inference-Header-Content-Length": "30"})


def test_codes_are_checked_as_the_estimator_checks_them(pixels):
    for z, sentence in ((np.zeros((1, 3)), "latent_dim = 2 columns; got 3"), (np.full((1, 2), np.nan), "contains NaN")):
        text = json.dumps({"inputs": [tensor("z", z)]}).encode()
        assert sentence in refused(pixels, text, "pixels-decode")
    with client(fitted("vq")) as served:
        z = np.full((1, 8), 8)
        assert "indices from 0 to 7; got 8" in refused(served, {"inputs": [tensor("z", z)]}, "vq-decode")


def test_labels_are_checked_as_the_estimator_checks_them():
    with client(fitted("classes")) as served:
        x = tensor("x", TABLE[:2])
        assert "inputs must be x, y; got x" in refused(served, {"inputs": [x]}, "classes-encode")
        for y, sentence in (
            (["x"], "one label per sample, 2; got 1"),
            (["x", "w"], "classes of training, 'x', 'y', 'z'"),
        ):
            label = tensor("y", np.array(y, object))
            assert sentence in refused(served, {"inputs": [x, label]}, "classes-encode")


def test_nan_is_a_missing_value_for_models_that_take_it():
    X = TABLE[:4].copy()
    X[0, 1] = np.nan
    with client(fitted("ae")) as served:
        body, headers = binary(X)
        answer = served.post("/v2/models/ae-encode/infer", content=body, headers=headers)
        np.testing.assert_array_equal(array_of(answer.json()["outputs"][0]), fitted("ae").model.transform(X))


def test_the_token_and_the_host():
    with client(run_of("table"), token=TOKEN) as served:
        assert served.get("/v2/health/live").status_code == 200  # who asks has no token
        for path in ("/v2", "/metrics", "/openapi.json", "/v2/models/table-encode"):
            assert served.get(path).status_code == 401
            assert served.get(path, headers={"Authorization": "Bearer x"}).status_code == 401
            assert served.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
            assert served.get(path, headers={"Host": "evil.com"}).status_code == 403
            assert served.get(path, headers={"Origin": "http://evil.com"}).status_code == 403


def test_large_bodies(pixels):
    chunks = (bytes(2**20) for _ in range(17))
    for body in (bytes(2**24 + 1), chunks):
        answer = pixels.post("/v2/models/pixels-encode/infer", content=body)
        assert answer.status_code == 413
        assert "16 MiB" in answer.json()["error"]


def test_other_methods_and_addresses(pixels):
    assert pixels.get("/v2/models/pixels-encode/infer").status_code == 405
    assert pixels.post("/v2").status_code == 405
    for path in ("/", "/v2/models", "/v2/repository/index", "/../etc/passwd", "/v2/models/..%2f..%2fetc/ready"):
        assert pixels.get(path).status_code == 404
        assert pixels.get(path).json()["error"]

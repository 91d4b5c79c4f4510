"""What is served of a table with typed columns: rows as they were in the data, and two tensors by the protocol."""

import json

import numpy as np
import pandas as pd
import pytest

from narrows import VAE
from narrows.data.types import UnseenLevelWarning
from narrows.errors import DataError
from narrows.serve.samples import Bodies
from narrows.serve.verbs import VERBS
from serving.serving_client import Fitted, client


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    k = rng.integers(0, 2, 120)
    frame = pd.DataFrame({"age": 40 + 9 * k + rng.normal(size=120), "town": np.array(["Ulm", "Bonn"])[k]})
    frame.loc[:9, "town"] = None
    return VAE(latent_dim=1, network="mlp:4", epochs=2).fit(frame), frame


def answered(model, name, body):
    verb = VERBS[name](model)
    question = verb.question(Bodies(verb, {"columns": ["age", "town"]}).read(body)[0])
    return verb, verb.answers([question])[0]


def test_rows_are_read_from_csv_and_records_and_encoded_as_by_the_estimator(model):
    fitted, frame = model
    wanted = fitted.transform(frame)
    for body in (frame.to_csv(index=False).encode(), frame.to_json(orient="records").encode()):
        np.testing.assert_allclose(answered(fitted, "encode", body)[1], wanted, rtol=1e-5, atol=1e-5)
    one = json.dumps({"age": frame["age"][20], "town": "Oslo"}).encode()  # a level that fit did not see is missing
    gap = pd.DataFrame({"age": [frame["age"][20]], "town": pd.Series([None], dtype=object)})
    np.testing.assert_allclose(answered(fitted, "encode", one)[1], fitted.transform(gap), rtol=1e-5, atol=1e-5)


def test_reconstructions_are_numbers_in_their_units_and_positions_of_levels(model):
    fitted, frame = model
    verb, result = answered(fitted, "reconstruct", frame.to_csv(index=False).encode())
    tensors = verb.tensors(result)
    wanted = fitted.reconstruct(frame)
    np.testing.assert_allclose(tensors["reconstructed_numbers"][:, 0], wanted["age"], rtol=1e-5)
    levels = next(column.levels for column in fitted.schema_.types if column.name == "town")
    assert [levels[i] for i in tensors["reconstructed_levels"][:, 0]] == wanted["town"].tolist()
    values = verb.columns.values(dict(zip(verb.columns.names, tensors.values(), strict=True)))
    assert values["town"].objects() == wanted["town"].tolist()


def test_a_level_that_fit_did_not_see_is_said(model):
    fitted, _ = model
    with client(Fitted("towns", fitted)) as served:
        with pytest.warns(UnseenLevelWarning) as warned:
            fitted.transform(pd.DataFrame({"age": [40.0], "town": ["Kö\r\nln"]}))
        said = str(warned[0].message)
        for path in ("/encode", "/reconstruct", "/score"):
            answer = served.post(path, json=[{"age": 40, "town": "Kö\r\nln"}])
            assert answer.json()["warning"] == said
            assert answer.headers["narrows-warning"] == said.replace("ö", "\\xf6")
        answer = served.post("/score", content="age,town\n40,Oslo\n", headers={"Accept": "text/csv"})
        assert "'Oslo'" in answer.headers["narrows-warning"]
        answer = served.post("/encode", json=[{"age": 40, "town": "Ulm"}])
        assert "warning" not in answer.json()
        assert "narrows-warning" not in answer.headers


@pytest.mark.parametrize("levels", [[[2]], [[-2]], [[0.5]], [[0], [1]], [[0, 1]]])
def test_positions_beyond_the_levels_are_refused(model, levels):
    verb = VERBS["encode"](model[0])
    with pytest.raises(DataError, match=r"encode: (levels must be positions|inputs must be numbers)"):
        verb.question({"numbers": np.array([[40.0]]), "levels": np.array(levels)})

"""What people send with curl: pictures, CSV and JSON; what comes back; counts, and the description."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from serving.serving_client import COLOURS, PIXELS, SEQUENCES, TABLE, client, fitted, run_of


@pytest.fixture(scope="module")
def pixels():
    with client(run_of("pixels")) as opened:
        yield opened


@pytest.fixture(scope="module")
def table():
    with client(run_of("table")) as opened:
        yield opened


def picture(array, form="PNG"):
    written = io.BytesIO()
    Image.fromarray(array).save(written, form)
    return written.getvalue()


def posted(client, path, body, **headers):
    content = {"content": body} if isinstance(body, bytes | str) else {"json": body}
    answer = client.post(path, **content, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def test_a_picture_is_encoded(pixels):
    answer = posted(pixels, "/encode", picture(PIXELS[0, 0])).json()
    assert answer["model"] == "pixels-encode"
    np.testing.assert_allclose(answer["z"], run_of("pixels").load().transform(PIXELS[:1]))
    for form in ("JPEG", "BMP", "GIF", "TIFF"):
        assert len(posted(pixels, "/encode", picture(PIXELS[0, 0], form)).json()["z"]) == 1


def test_a_picture_comes_back(pixels):
    for path in ("/denoise", "/reconstruct"):
        answer = posted(pixels, path, picture(PIXELS[0, 0]), Accept="image/png")
        assert answer.headers["content-type"] == "image/png"
        shown = np.asarray(Image.open(io.BytesIO(answer.content)))
        np.testing.assert_array_equal(shown, run_of("pixels").load().reconstruct(PIXELS[:1])[0, 0])
    with client(fitted("nhwc")) as served:
        answer = posted(served, "/denoise", picture(COLOURS[0]), Accept="image/png")
        shown = np.asarray(Image.open(io.BytesIO(answer.content)))
        np.testing.assert_array_equal(shown, fitted("nhwc").model.reconstruct(COLOURS[:1])[0])
    answer = pixels.post("/encode", content=picture(PIXELS[0, 0]), headers={"Accept": "image/png"})
    assert "z" in answer.json()  # of codes there is no picture
    answer = pixels.post("/decode", json=[[0, 0], [1, 1]], headers={"Accept": "image/png"})
    assert answer.status_code == 400
    assert "one grey or coloured image; got 2" in answer.json()["error"]


@pytest.mark.parametrize("verb", ["encode", "score", "reconstruct"])
def test_rows_in_every_form_are_the_same(table, verb):
    records = [dict(zip("cab", (row[2], row[0], row[1]), strict=True)) for row in TABLE[:4]]
    bodies = [
        TABLE[:4].tolist(), records, {"records": records}, {"x": TABLE[:4].tolist()},
        "a,b,c\n" + "\n".join(",".join(map(str, row)) for row in TABLE[:4]),
        "c;b;a\n" + "\n".join(";".join(map(str, row[::-1])) for row in TABLE[:4]) + "\n",
        "\n".join(",".join(map(str, row)) for row in TABLE[:4]),
        {name: TABLE[:4, i].tolist() for i, name in enumerate("abc")},
    ]  # fmt: skip
    answers = [posted(table, f"/{verb}", body).json() for body in bodies]
    assert len(next(value for value in answers[0].values() if isinstance(value, list))) == 4
    assert all(answer == answers[0] for answer in answers)


def test_one_record_and_one_row(table):
    Z = run_of("table").load().transform(TABLE[:1])
    for body in (dict(zip("abc", TABLE[0], strict=True)), TABLE[0].tolist(), ",".join(map(str, TABLE[0]))):
        np.testing.assert_allclose(posted(table, "/encode", body).json()["z"], Z)


def test_csv_comes_back(table):
    lines = posted(table, "/reconstruct", TABLE[:2].tolist(), Accept="text/csv").text.splitlines()
    assert lines[0] == "a,b,c"
    np.testing.assert_allclose(
        [[float(value) for value in line.split(",")] for line in lines[1:]],
        run_of("table").load().reconstruct(TABLE[:2]),
    )
    assert posted(table, "/encode", TABLE[:2].tolist(), Accept="text/csv").text.startswith("z_1,z_2\n")
    assert posted(table, "/score", TABLE[:2].tolist(), Accept="text/csv").text.startswith("score\n")
    assert posted(table, "/reconstruct", TABLE[:2].tolist()).json()["columns"] == ["a", "b", "c"]


def test_codes_are_decoded(table):
    model = run_of("table").load()
    for body in ([[1, 2], [3, 4]], {"z": [[1, 2], [3, 4]]}, "1,2\n3,4\n"):
        np.testing.assert_allclose(
            posted(table, "/decode", body).json()["x"], model.inverse_transform([[1, 2], [3, 4]])
        )
    with client(fitted("vq")) as served:
        Z = fitted("vq").model.transform(PIXELS[:2])
        assert posted(served, "/encode", PIXELS[:2].tolist()).json()["z"] == Z.tolist()
        np.testing.assert_array_equal(
            posted(served, "/decode", Z.tolist()).json()["x"], fitted("vq").model.inverse_transform(Z)
        )


def test_labels_stand_in_the_address_or_beside_the_samples():
    model = fitted("classes").model
    with client(fitted("classes")) as served:
        for path, body in (
            ("/encode?y=x,y", TABLE[:2].tolist()), ("/encode", {"x": TABLE[:2].tolist(), "y": ["x", "y"]})
        ):  # fmt: skip
            Z = posted(served, path, body).json()["z"]
            np.testing.assert_allclose(Z, model.transform(TABLE[:2], np.array(["x", "y"])), rtol=1e-6)
        one = posted(served, "/encode?y=x", TABLE[:2].tolist()).json()["z"]
        np.testing.assert_allclose(one, model.transform(TABLE[:2], np.array(["x", "x"])), rtol=1e-6)


def test_sequences(table):
    with client(fitted("ragged")) as served:
        Z = fitted("ragged").model.transform(SEQUENCES[:2])
        text = "\n".join(",".join(map(str, step)) for step in SEQUENCES[0])
        for body in (SEQUENCES[0].tolist(), [SEQUENCES[0].tolist()], text):
            np.testing.assert_allclose(posted(served, "/encode", body).json()["z"], Z[:1], rtol=1e-5)


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/encode", "", "it is empty"),
        ("/encode", "a,b\n1,2\n", "got no 'c'"),
        ("/encode", "a,b,c,d\n1,2,3,4\n", "'d' beside them"),
        ("/encode", [{"a": 1, "b": 2}], "got no 'c'"),
        ("/encode", "[[1, 2], [3]]", "in lists of one length"),
        ("/encode", "[1,", "the body must be JSON"),
        ("/encode", [[1, 2, 3, 4]], "PCA: X must have the 3 features of fit; got 4"),
        ("/encode", [[1, 2, 1e999]], "PCA: X must"),
        ("/encode", b"\x89PNG\r\n\x1a\nbroken", "must be a sound PNG, JPEG"),
        ("/encode", b"\xff\xfe\x00", "none"),
        ("/encode", picture(PIXELS[0, 0]), "PCA: X must have samples of shape (3,)"),
        ("/decode", picture(PIXELS[0, 0]), "got a picture"),
        ("/encode?y=3", [[1, 2, 3]], "y must be left out"),
        ("/encode?run=tables", [[1, 2, 3]], "Did you mean 'table'?"),
        ("/encode?run=../table", [[1, 2, 3]], "run must be one of table"),
        ("/encode", {"x": [[1, 2, 3]], "w": 1}, "got 'w' as well"),
        ("/encode", "\n".join(["1,2,3"] * 3 + ["x,y,z"]), "must"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_sentence(table, path, body, sentence):
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    answer = table.post(path, content=content)
    assert answer.status_code == 400, answer.text
    assert sentence in answer.json()["error"]


def test_of_several_runs_one_is_named():
    with client(run_of("pixels"), run_of("table")) as served:
        answer = served.post("/encode", json=TABLE[:1].tolist())
        assert "run must be given where several are served: ?run=pixels" in answer.json()["error"]
        assert served.post("/encode?run=table", json=TABLE[:1].tolist()).status_code == 200


def test_counts(table):
    table.post("/score", json=TABLE[:3].tolist())
    answer = table.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = answer.text.splitlines()
    assert any(line.startswith('narrows_requests_total{model="table-score",status="200"}') for line in lines)
    assert any(line.startswith('narrows_batch_rows_sum{model="table-score"}') for line in lines)
    assert "narrows_waiting_rows 0.0" in lines


def test_the_description_names_every_address_that_there_is(table):
    description = table.get("/openapi.json").json()
    assert description["openapi"].startswith("3.1")
    routes = {route.path for route in table.app.app.routes}
    assert set(description["paths"]) == routes
    named = description["paths"]["/v2/models/{name}"]["parameters"][0]["schema"]["enum"]
    assert len(named) == 5
    assert "table-encode" in named


def test_text_for_a_model_of_pictures_is_named():
    with client(fitted("nhwc")) as served:
        answer = served.post("/encode", content=b"a,b,c\n1,2,3\n4,[]5,6\n")
        assert answer.status_code == 400
        assert "the body must hold numbers; got others among the columns a, b, c" in answer.json()["error"]

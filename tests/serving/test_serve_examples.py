"""The folder examples/serving: what it starts does what it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from serving.serving_client import TOKEN, run_of

FOLDER = Path(__file__).parents[2] / "examples" / "serving"
if not FOLDER.exists():
    pytest.skip("the examples are not part of this copy of the source", allow_module_level=True)
INSTRUCTIONS = ("FROM", "ARG", "RUN", "COPY", "USER", "WORKDIR", "ENV", "EXPOSE", "HEALTHCHECK", "CMD")


def instructions():
    """Return the instructions of the Dockerfile, each with its lines joined."""
    text = (FOLDER / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in whole]


def test_the_image_is_slim_has_no_build_tools_and_is_not_root():
    found = instructions()
    assert {word for word, _ in found} == set(INSTRUCTIONS)
    by_word = {word: rest for word, rest in found if word != "ARG"}
    assert by_word["FROM"].endswith("-slim")
    assert not re.search(r"apt|gcc|build-essential|curl", by_word["RUN"])
    user = [i for i, (word, rest) in enumerate(found) if (word, rest) == ("USER", "10001")]
    copied = [i for i, (word, _) in enumerate(found) if word in ("COPY", "RUN")]
    assert user[0] > max(copied)  # what it cannot change belongs to root
    command = json.loads(by_word["CMD"])
    assert command[:2] == ["sh", "-c"]
    assert "exec narrows serve" in command[2]  # so that SIGTERM reaches it
    assert json.loads(by_word["HEALTHCHECK"].partition("CMD ")[2])[0] == "python"


def test_the_manifest_names_addresses_and_flags_that_there_are():
    yaml = pytest.importorskip("yaml")
    service = yaml.safe_load((FOLDER / "inference-service.yaml").read_text())
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    predictor = service["spec"]["predictor"]
    (container,) = predictor["containers"]
    assert container["name"] == "kserve-container"
    assert [container["readinessProbe"]["httpGet"]["path"], container["livenessProbe"]["httpGet"]["path"]] == [
        "/v2/health/ready", "/v2/health/live"
    ]  # fmt: skip
    assert predictor["terminationGracePeriodSeconds"] > 30
    assert container["securityContext"]["runAsNonRoot"]
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {each["name"] for each in predictor["volumes"]}


@pytest.mark.slow
@pytest.mark.parametrize("token", ["", TOKEN])
def test_the_command_of_the_image_serves_and_the_check_of_its_health_passes(token, tmp_path):
    """In place of the image: the command runs here, with the run where the image has it and a free port."""
    found = dict(instructions())
    folder = shutil.copytree(run_of("table").folder, tmp_path / "model")
    (tmp_path / "narrows").write_text(f'#!/bin/sh\nexec {sys.executable} -m narrows "$@"\n')
    (tmp_path / "narrows").chmod(0o755)
    command = json.loads(found["CMD"])
    command[2] = command[2].replace("/models/model", str(folder)).replace("--port 8080", "--port 0")
    env = os.environ | {"TOKEN": token, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines = []
        while "Ctrl-C" not in (lines[-1] if lines else ""):
            lines.append(process.stdout.readline())
            assert lines[-1], lines
        address = next(line.strip() for line in lines if line.startswith("http"))
        check = json.loads(found["HEALTHCHECK"].partition("CMD ")[2])
        check = [sys.executable, "-c", check[2].replace("http://127.0.0.1:8080", address)]
        assert subprocess.run(check, capture_output=True, check=False).returncode == 0
        process.terminate()
        assert process.wait(30) == 0
        assert subprocess.run(check, capture_output=True, check=False).returncode != 0
    finally:
        process.kill()
        process.communicate()

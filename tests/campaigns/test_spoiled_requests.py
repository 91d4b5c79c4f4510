"""Ten thousand spoiled bodies: the server answers each in words, and goes on."""

import pytest

from serving.serving_client import Server, run_of
from serving.test_serve_process import send_spoiled

pytestmark = pytest.mark.campaign


def test_ten_thousand_spoiled_bodies_are_answered():
    with Server(run_of("pixels").folder, run_of("table").folder) as server:
        send_spoiled(server, 10_000)
        assert server.stop()[0] == 0

"""Training by several processes: their gradients, losses and evaluation are those of one, and who dies is named."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from narrows.errors import ConfigError
from narrows.training.distributed import GlobalDraws, Ranks, Share

TRAINING = """
import json, sys
import numpy as np, torch
import narrows
from narrows.training.distributed import joined
torch.set_num_threads(1)
X = np.random.default_rng(0).random((403, 20)).astype(np.float32)
options = dict(latent_dim=4, batch_size=50, seed=3, network="mlp:32", schedule="constant", warmup=0.0)
models = {
    "vae": lambda **more: narrows.VAE(**options, **more),
    "denoising": lambda **more: narrows.AE(corruption="gaussian:0.3", **options, **more),
    "adversarial": lambda **more: narrows.AE(penalty="adversarial", **options, **more),
    "codebook": lambda **more: narrows.AE(code="vq:16", **options, **more),
}
with joined() as ranks:
    step = models[sys.argv[1]](epochs=1, optimizer="sgd", learning_rate=1.0).set_params(batch_size=None)
    before = models[sys.argv[1]](epochs=1, optimizer="sgd", learning_rate=1e-30).set_params(batch_size=None)
    gradients = [
        (b - a).flatten() for a, b in zip(step.fit(X).module_.parameters(), before.fit(X).module_.parameters())
    ]
    trained = models[sys.argv[1]](epochs=12).fit(X, validation=X[:37])
    if ranks.rank == 0:
        history = [[each["train"]["loss"], each["validation"]["loss"]] for each in trained.history_]
        json.dump([torch.cat(gradients).tolist(), history], open(sys.argv[2], "w"))
"""


def torchrun(n, *command, **options):
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n)]
    return [sys.executable, *(run if n > 1 else []), *command]


@pytest.mark.parametrize("kind", [
    pytest.param("vae", marks=pytest.mark.campaign), pytest.param("denoising", marks=pytest.mark.campaign),
    pytest.param("adversarial", marks=pytest.mark.slow),
])  # fmt: skip
def test_gradients_and_losses_are_those_of_one_process(tmp_path, kind):
    """After 108 steps; the last batch of an epoch is a small one, and of the last validation batch too."""
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    found = []
    for n in (1, 2, 4):
        file = tmp_path / f"{n}.json"
        done = subprocess.run(torchrun(n, str(script), kind, str(file)), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(file.read_text()))
    for gradients, history in found[1:]:
        scale = max(1.0, np.abs(found[0][0]).max())
        np.testing.assert_allclose(gradients, found[0][0], rtol=1e-6, atol=1e-6 * scale)
        np.testing.assert_allclose(history, found[0][1], rtol=1e-5)


ENDED = """
import gc, sys, weakref
import numpy as np, torch.distributed as dist
import narrows
from narrows.training.distributed import joined
with joined():
    narrows.AE(latent_dim=2, epochs=1, network="mlp:4").fit(np.eye(40, 6, dtype=np.float32))
    group = weakref.ref(dist.distributed_c10d._get_default_group())
gc.collect()
sys.exit(3 if group() is not None else 0)
"""


@pytest.mark.slow
def test_nothing_keeps_the_group_beyond_its_end(tmp_path):
    script = tmp_path / "ended.py"
    script.write_text(ENDED)
    done = subprocess.run(torchrun(2, str(script)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_what_depends_on_the_whole_batch_is_refused(tmp_path):
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    command = torchrun(2, str(script), "codebook", str(tmp_path / "x"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode
    assert "processes must be 1 for a loss that depends on the whole batch" in done.stderr


def test_every_sample_of_a_batch_is_one_ranks():
    for size in (1, 2, 3, 4):
        for start, stop in ((0, 10), (5, 8), (7, 8)):
            shares = [Ranks(rank, size).share(start, stop) for rank in range(size)]
            rows = [row for share in shares if share.weight for row in range(share.start, share.stop)]
            assert rows == list(range(start, stop))
            assert {share.total for share in shares} == {stop - start}


@pytest.mark.parametrize(
    "draw",
    [
        lambda n, rng: torch.randn(n, 3, generator=rng), lambda n, rng: torch.randn((n, 3), generator=rng),
        lambda n, rng: torch.rand(2, n, 3, generator=rng).movedim(1, 0),
        lambda n, rng: torch.rand(torch.Size((n, 3)), generator=rng),
        lambda n, rng: torch.randint(9, (n, 3), generator=rng),
        lambda n, rng: torch.randint(2, 9, size=(n, 3), generator=rng),
        lambda n, rng: torch.bernoulli(torch.full((n, 3), 0.3), generator=rng),
    ],
)  # fmt: skip
def test_a_rank_draws_its_part_of_the_noise_of_all(draw):
    def seeded():
        return torch.Generator().manual_seed(0)

    whole, parts = draw(11, seeded()), []
    for rank in range(2):
        share = Ranks(rank, 2).share(20, 31)
        with GlobalDraws(share):
            parts.append(draw(share.stop - share.start, seeded()))
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=0)


def test_noise_without_an_axis_of_samples_is_the_same_for_all():
    with GlobalDraws(Share(0, 0, 5, 10)):
        drawn = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
        free = torch.zeros(5)
    torch.testing.assert_close(drawn, torch.randn(3, 2, generator=torch.Generator().manual_seed(0)))
    assert free.shape == (5,)


@pytest.mark.parametrize(("tokens", "number"), [(["show"], "2"), ([], "2"), (["train", "vae"], "x"), (["train"], "0")])
def test_mistakes_on_the_command_line(tokens, number):
    from narrows.cli.ranks import start

    with pytest.raises(ConfigError, match="--processes must"):
        start(tokens, number)

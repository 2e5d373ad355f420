"""The network that says where to edit: its sizes, and that pictures do not see each other."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from methods.vit_editing.hypernetwork import Hypernetwork, heads_of, taught
from suite.errors import UsageError


def network(**sizes: int) -> Hypernetwork:
    given = {"width": 24, "rows": 4, "hidden": 10, "blocks": 2, "heads": 3} | sizes
    return Hypernetwork.seeded(torch.Generator().manual_seed(0), **given)


@pytest.mark.parametrize(("blocks", "count"), [(3, 24_837_120), (5, 31_930_368)])
def test_the_papers_sizes(blocks: int, count: int) -> None:
    """24.84 and 31.93 million parameters for ViT-B, with the 6 x 3072 that the released module never uses."""
    with torch.device("meta"):
        full = Hypernetwork(768, 6, 3072, blocks, 6)
    assert sum(value.numel() for value in full.parameters()) + 6 * 3072 == count


def test_heads_by_width() -> None:
    assert [heads_of(width) for width in (768, 384, 128, 96, 24, 16)] == [6, 3, 4, 3, 1, 1]


def test_masks_of_a_batch_are_those_one_by_one() -> None:
    one = network()
    tokens = torch.randn((5, 24), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together = one(tokens)
        alone = torch.cat([one(tokens[i : i + 1]) for i in range(5)])
    assert together.shape == (5, 4, 10)
    assert torch.allclose(together, alone, atol=1e-6)


def test_without_blocks_a_row_is_a_sigmoid_of_its_query() -> None:
    one = network(blocks=0)
    with torch.no_grad():
        one.queries.normal_(generator=torch.Generator().manual_seed(2))
        found = one(torch.randn(1, 24))[0]
        for i in range(4):
            expected = torch.sigmoid(3 * (one.outs[i].weight @ one.queries[i] + one.outs[i].bias))
            assert torch.allclose(found[i], expected, atol=1e-6)


def test_masks_stay_off_their_ends() -> None:
    one = network()
    with torch.no_grad():
        for out in one.outs:
            out.bias.fill_(100.0)
        assert float(one(torch.zeros(1, 24), 1e-5).max()) == pytest.approx(1 - 1e-5)


def test_teaching_is_rmsprop_on_a_tenth_of_the_cross_entropy() -> None:
    one, other = network(), network()
    tokens = torch.randn((3, 24), generator=torch.Generator().manual_seed(1))
    target = torch.rand((3, 4, 10), generator=torch.Generator().manual_seed(2))
    loss = taught(one, torch.optim.RMSprop(one.parameters(), lr=1e-3), tokens, target, 4)
    optimizer = torch.optim.RMSprop(other.parameters(), lr=1e-3)
    for step in range(4):
        masks = other(tokens)
        cross = -(target * masks.log() + (1 - target) * (1 - masks).log()).mean()
        assert step or loss == pytest.approx(float(cross.detach()), rel=1e-5)
        optimizer.zero_grad()
        (0.1 * cross).backward()
        optimizer.step()
    with torch.no_grad():
        assert torch.allclose(one(tokens), other(tokens), atol=1e-3)
        assert float(F.binary_cross_entropy(one(tokens), target)) < loss


def test_tensors_go_out_and_in_and_other_sizes_are_refused() -> None:
    one = network()
    again = Hypernetwork(24, 4, 10, 2, 3).loaded({**one.held(), "trace": torch.zeros(0, 3)})
    tokens = torch.randn(2, 24)
    with torch.no_grad():
        assert torch.equal(one(tokens), again(tokens))
    with pytest.raises(UsageError, match="sizes"):
        Hypernetwork(24, 4, 11, 2, 3).loaded(one.held())
    with pytest.raises(UsageError, match="5 heads"):
        network(heads=5)


def test_a_seeded_network_leaves_torchs_own_generator() -> None:
    torch.manual_seed(5)
    first = torch.rand(1)
    torch.manual_seed(5)
    network()
    assert torch.equal(torch.rand(1), first)

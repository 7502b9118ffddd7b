"""lenet5_1998.py: the network and the criterion of the paper."""

from __future__ import annotations


def test_the_criterion_is_equation_9(digits):
    import torch
    from lenet5_1998 import RUBBISH, map_criterion

    random = torch.Generator().manual_seed(0)
    y, labels = torch.rand(6, 10, generator=random) * 5, torch.tensor([0, 3, 9, 1, 1, 7])
    for j in (0.1, 1.0, 10.0):
        competitive = torch.log(torch.exp(torch.tensor(-j)) + torch.exp(-y).sum(1))
        wanted = (y[torch.arange(6), labels] + competitive).mean()
        assert torch.isclose(map_criterion(y, labels, rubbish=j), wanted)
        none = torch.full((6,), RUBBISH)
        assert torch.isclose(map_criterion(y, none, rubbish=j), (j + competitive).mean())
    certain = torch.nn.functional.one_hot(labels, 11) * 100.0
    taught = map_criterion(y, torch.zeros(6, dtype=torch.int64), certain, share=1.0, rubbish=10.0)
    assert torch.isclose(taught, map_criterion(y, labels, rubbish=10.0))

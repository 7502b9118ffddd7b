"""lenet5_62006.py: 62,006 parameters once batch normalisation is folded, and the network that is shipped."""

from __future__ import annotations

import lenet_fast
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[training]')")


@pytest.fixture(params=["tanh", "relu"])
def module(request, one_thread):
    from lenet5_62006 import LeNet5

    torch.manual_seed(0)
    return LeNet5(request.param), request.param


def test_it_is_the_familys_network(module):
    """Folded on the way in, it has the published number of parameters and the module's own outputs."""
    net, activation = module
    x = torch.rand(64, 3, 32, 32)
    net.train()(x)  # statistics that are not those of the start
    model = lenet_fast.from_torch(net.eval(), x[:1])
    assert sum(layer.trainable for layer in model.network.figures) == 62_006
    kinds = {"tanh": "average", "relu": "max"}
    pooled = [layer for layer in model.network.layers if isinstance(layer, lenet_fast.Subsample2x2)]
    assert [layer.pooling for layer in pooled] == [kinds[activation]] * 2
    with torch.no_grad():
        wanted = net(x).numpy()
    assert abs(model.scores(x.numpy()) - wanted).max() < 1e-5 * abs(wanted).max()


def test_width_multiplies_maps_and_units():
    from lenet5_62006 import LeNet5

    wide = LeNet5("relu", width=3)
    assert wide(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert [wide.conv1[0].out_channels, wide.conv2[0].out_channels] == [18, 48]
    assert [wide.full1[0].out_features, wide.full2[0].out_features, wide.output.out_features] == [360, 252, 10]

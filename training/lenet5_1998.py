"""The classic LeNet-5 of 1998 as a PyTorch module, and the paper's MAP criterion.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 86(11),
1998: sections II-B (network), III-C (criterion) and appendix A (squashing function and initial weights).

Every layer's sums pass through batch normalisation before they are squashed, which the paper did not know. Behind a
convolution or full connection its gain and shift fold into weights and bias when the network is exported; behind the
sum of four inputs they are that layer's coefficient and bias. What is exported has the paper's 60,000 parameters.

Where the paper leaves a choice open, this is what is taken:

* subsampling adds the four inputs (it does not average them);
* a feature map's fan-in counts its 5x5 kernels and the bias;
* the rubbish class of the MAP criterion has the constant j = 1 unless the caller says otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Which S2 maps feed each C3 map (Table I of the paper).
C3_TABLE = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip
RUBBISH = 10  # the label of an image that is no digit


def squash(a: Tensor) -> Tensor:
    """f(a) = A tanh(S a) with A = 1.7159 and S = 2/3, so that f(1) = 1 and f(-1) = -1 (appendix A)."""
    return 1.7159 * torch.tanh(a * (2.0 / 3.0))


def uniform(shape: tuple[int, ...], fan_in: Tensor | int) -> nn.Parameter:
    """Initial weights, uniform between -2.4/F and 2.4/F for a unit with F inputs (appendix A)."""
    return nn.Parameter((torch.rand(shape) * 2 - 1) * 2.4 / fan_in)


class Convolution(nn.Module):
    """5x5 valid convolution, optionally with a connection table; (n, in, h, w) -> (n, out, h - 4, w - 4)."""

    def __init__(self, inputs: int, outputs: int, table: tuple[tuple[int, ...], ...] | None = None) -> None:
        super().__init__()
        connected = torch.ones(outputs, inputs) if table is None else torch.zeros(outputs, inputs)
        for output, sources in enumerate(table or ()):
            connected[output, list(sources)] = 1
        self.register_buffer("mask", connected[:, :, None, None], persistent=False)
        fan_in = 25 * connected.sum(1) + 1
        self.weight = uniform((outputs, inputs, 5, 5), fan_in[:, None, None, None])
        self.norm = nn.BatchNorm2d(outputs)
        with torch.no_grad():
            self.weight *= self.mask  # unconnected kernels are zero and, masked below, stay so

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(functional.conv2d(x, self.weight * self.mask))


class Subsampling(nn.Module):
    """Sum of each 2x2 window, then one coefficient and one bias per map; halves height and width."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(maps)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(4 * functional.avg_pool2d(x, 2))


class Full(nn.Module):
    """Full connection; (n, inputs) -> (n, outputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = uniform((outputs, inputs), inputs + 1)
        self.norm = nn.BatchNorm1d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(functional.linear(x, self.weight))


class RBF(nn.Module):
    """Squared Euclidean distance to fixed codes (equation 7); (n, 84) -> (n, 10), the smallest wins."""

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", codes)

    def forward(self, x: Tensor) -> Tensor:
        return ((x[:, None, :] - self.weight) ** 2).sum(2)


class LeNet5(nn.Module):
    """The 1998 network: (n, 1, 32, 32) with background -0.1 and ink 1.175 -> (n, 10) RBF distances."""

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.C1 = Convolution(1, 6)
        self.S2 = Subsampling(6)
        self.C3 = Convolution(6, 16, C3_TABLE)
        self.S4 = Subsampling(16)
        self.C5 = Convolution(16, 120)
        self.F6 = Full(120, 84)
        self.output = RBF(codes)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.C1, self.S2, self.C3, self.S4, self.C5):
            x = squash(layer(x))
        return self.output(squash(self.F6(x.flatten(1))))


def map_criterion(
    distances: Tensor, labels: Tensor, hints: Tensor | None = None, *, share: float = 0.0, rubbish: float = 1.0
) -> Tensor:
    """Maximum a posteriori criterion (equation 9), batch mean; the label of an image that is no digit is RUBBISH.

    It is the cross-entropy of the negated distances, and of the rubbish class with its constant. With `hints`, logits
    of the eleven classes by somebody who knows better, this share of it is taken to their probabilities instead.
    """
    logits = torch.cat([-distances, distances.new_full((len(distances), 1), -rubbish)], 1)
    criterion = functional.cross_entropy(logits, labels)
    if hints is None:
        return criterion
    return (1 - share) * criterion + share * functional.cross_entropy(logits, torch.softmax(hints, 1))

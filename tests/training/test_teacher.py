"""teacher.py: the teacher's sizes, its answers with batch normalisation folded, and what a pupil minimises."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[training]')")


@pytest.fixture
def teacher(one_thread):
    from teacher import Teacher

    torch.manual_seed(0)
    made = Teacher(3, 7)
    for layer in made.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.uniform_(0.5, 2)
            layer.bias.data.normal_()
    return made.eval()


def test_folded_it_answers_as_it_was(teacher):
    from teacher import answering

    images = torch.rand(5, 3, 32, 32)
    with torch.no_grad():
        wanted = teacher(images)
    found = answering(teacher)(images)
    assert found.shape == (5, 7)
    assert not found.requires_grad
    assert torch.allclose(found, wanted, atol=1e-4 * float(wanted.abs().max()))


def test_it_does_ten_times_its_pupils_work(teacher):
    """Some 9 million multiply-adds an image, where LeNet-5 does less than one."""
    counts = []

    def count(layer, given, made):
        counts.append(made[0].numel() * layer.weight[0].numel())

    for layer in teacher.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        teacher(torch.zeros(1, 3, 32, 32))
    assert 8e6 < sum(counts) < 11e6


def test_taught_is_a_mixture_of_labels_and_softened_hints():
    from teacher import taught

    random = torch.Generator().manual_seed(1)
    logits, hints = (torch.randn(6, 4, generator=random, dtype=torch.float64) for _ in range(2))
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    plain = -torch.log_softmax(logits, 1)[torch.arange(6), labels].mean()
    for t in (1.0, 3.0):
        p, q = torch.softmax(hints / t, 1), torch.softmax(logits / t, 1)
        softened = t**2 * (p * (p / q).log()).sum(1).mean()
        for share in (0.0, 0.3, 1.0):
            found = taught(logits, labels, hints, share=share, temperature=t)
            assert torch.isclose(found, (1 - share) * plain + share * softened)

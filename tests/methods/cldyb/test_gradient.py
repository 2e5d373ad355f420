"""Learners that train a head: their losses and penalties by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.cldyb.afec import AFEC
from methods.cldyb.clser import CLSER, average, factor, teaching
from methods.cldyb.derpp import DERpp, logit_error
from methods.cldyb.er import ER
from methods.cldyb.ewc import EWC
from methods.cldyb.finetune import FineTune, Joint
from methods.cldyb.gradient import Batch, Gradient, Lesson
from methods.cldyb.lwf import LwF, distillation
from methods.cldyb.mas import MAS
from methods.cldyb.network import SGD, Head, Network
from methods.cldyb.penalties import accumulate, gradients, quadratic
from methods.cldyb.reservoir import Reservoir
from suite.errors import MethodError, UsageError
from suite.models.training import Streams
from tasks.cldyb.contract import TaskData


def value(tensor: Tensor) -> float:
    return float(tensor.detach())


def backbone(width: int) -> Any:
    return SimpleNamespace(width=width)


def blobs(*classes: int, n: int = 10, width: int = 4) -> TaskData:
    rng = np.random.default_rng(classes)
    y = np.repeat(classes, n)
    centres = np.random.default_rng(1).normal(size=(10, width)) * 3
    x = centres[y] + rng.normal(size=(len(y), width))
    return TaskData(torch.tensor(x, dtype=torch.float32), torch.tensor(y), classes)


def taught(method: Gradient, *tasks: TaskData) -> Any:
    learner = method.begin(backbone(tasks[0].x.shape[1]), 0)
    for number, task in enumerate(tasks):
        learner.learn(task, number)
    return learner


def lesson(task: TaskData, old: int) -> Lesson:
    return Lesson(Batch(task.x, task.y), old, Streams(0))


def two_weights(w: tuple[float, float], examples: Batch, method: Gradient) -> Any:
    """A learner whose network is two classes of one weight each."""
    learner: Any = method.begin(backbone(1), 0)
    learner.network.head.grow(torch.tensor(w)[:, None])
    return learner


def test_the_descent_by_hand() -> None:
    """v <- 0.9 v + (g + 0.01 theta) and theta <- theta - 0.1 v, for the loss theta^2; v begins as g."""
    theta, v = 2.0, 0.0
    ours, untouched = nn.Parameter(torch.tensor([2.0])), nn.Parameter(torch.tensor([5.0]))
    mine = SGD([ours, untouched], 0.1, 0.9, 0.01)
    for _ in range(5):
        mine.step(ours.square().sum())
        v = 0.9 * v + 2 * theta + 0.01 * theta
        theta -= 0.1 * v
        assert value(ours) == pytest.approx(theta, rel=1e-6)
    assert value(untouched) == 5.0


def test_a_head_keeps_its_rows_when_it_grows_and_the_cosine_head_is_a_scaled_cosine() -> None:
    linear, cosine = Head(3), Head(3, "cosine")
    for head in (linear, cosine):
        head.grow(torch.tensor([[1.0, 0, 0], [0, 2, 0]]))
        before = head.weight.detach().clone()
        head.grow(head.fresh(2))
        assert torch.equal(head.weight[:2], before)
    with torch.no_grad():
        linear.bias[1] = 5.0
        cosine.sigma[0] = 3.0
    x = torch.tensor([[3.0, 4.0, 0.0]])
    assert linear(x)[0, :2].tolist() == [3.0, 13.0]
    assert cosine(x)[0, :2].tolist() == pytest.approx([3 * 0.6, 3 * 0.8])
    assert value(linear.fresh(500).abs().max()) == pytest.approx(1.0, abs=0.01)
    assert value(cosine.fresh(500).abs().max()) == pytest.approx(1 / math.sqrt(3), abs=0.01)


@pytest.mark.parametrize("over", ["new", "seen"])
def test_one_step_of_fine_tuning_by_hand(over: Any) -> None:
    """p - y times x, over the new classes or all; from the second task on."""
    first, second = blobs(0, 1), blobs(5, 3)
    method = FineTune(epochs=1, batch=100, lr=0.5, momentum=0.0, weight_decay=0.0, over=over)
    learner = taught(method, first)
    old = learner.network.head.weight.detach().clone()
    learner.learn(second, 7)
    rows = learner.network.head.fresh(2, Streams(7).torch("head"))
    w = torch.cat([old, rows]).double().numpy()
    b = np.array([*learner_bias(taught(method, first)), 0.0, 0.0])
    x = second.x.double().numpy()
    z = x @ w.T + b
    y = np.eye(4)[np.where(second.y.numpy() == 5, 2, 3)]
    if over == "new":
        z[:, :2] = -np.inf
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    expected = w - 0.5 * (p - y).T @ x / len(x)
    np.testing.assert_allclose(learner.network.head.weight.detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def learner_bias(learner: Any) -> list[float]:
    bias: list[float] = learner.network.head.bias.tolist()
    return bias


def test_joint_is_fine_tuning_of_a_new_network_on_everything() -> None:
    a, b = blobs(2, 0), blobs(7)
    settings: Any = {"epochs": 3, "lr": 0.1, "batch": 8}
    both = TaskData(torch.cat([a.x, b.x]), torch.cat([a.y, b.y]), (2, 0, 7))
    joint = taught(Joint(**settings), a)
    joint.learn(b, 9)
    alone = FineTune(**settings).begin(backbone(4), 0)
    alone.learn(both, 9)
    assert torch.equal(joint.logits(a.x), alone.logits(a.x))


def test_fisher_and_penalty_by_hand_on_two_weights() -> None:
    """For a softmax of w1 x and w2 x the gradient by w_k is (p_k - y_k) x."""
    x, y = torch.tensor([[2.0], [-1.0], [0.5]]), torch.tensor([0, 1, 1])
    learner = two_weights((0.3, -0.2), Batch(x, y), EWC(sample=1))
    found = learner.fisher(learner.network, lesson(TaskData(x, y, (0, 1)), 0), ["head.weight"], 0)
    fisher = [0.0, 0.0]
    for a, c in ((2.0, 0), (-1.0, 1), (0.5, 1)):
        p = [math.exp(0.3 * a), math.exp(-0.2 * a)]
        p = [q / sum(p) for q in p]
        for k in (0, 1):
            fisher[k] += ((p[k] - (k == c)) * a) ** 2 / 3
    assert found["head.weight"][:, 0].tolist() == pytest.approx(fisher, rel=1e-5)
    moved = torch.tensor([[1.3], [-0.7], [9.0]], requires_grad=True)
    penalty = quadratic([(moved, found["head.weight"], torch.tensor([[0.3], [-0.2]]))])
    assert value(penalty) == pytest.approx(0.5 * (fisher[0] * 1.0 + fisher[1] * 0.25), rel=1e-5)
    (pull,) = torch.autograd.grad(penalty, moved)
    assert pull[:, 0].tolist() == pytest.approx([fisher[0], fisher[1] * -0.5, 0.0], rel=1e-5)


def test_importance_of_mas_by_hand_on_two_weights() -> None:
    """|f|^2 = (w1^2 + w2^2) x^2, so that the mean of |gradient| by w_k is 2 |w_k| mean x^2."""
    x, y = torch.tensor([[2.0], [-1.0], [0.5]]), torch.tensor([0, 1, 1])
    learner = two_weights((0.3, -0.2), Batch(x, y), MAS(sample=1))
    found = learner.importance(lesson(TaskData(x, y, (0, 1)), 0))
    mean = (4 + 1 + 0.25) / 3
    assert found["head.weight"][:, 0].tolist() == pytest.approx([0.6 * mean, 0.4 * mean], rel=1e-5)
    biases = [abs(2 * w * sum((2.0, 1.0, 0.5))) / 3 for w in (0.3, 0.2)]
    assert found["head.bias"].tolist() == pytest.approx(biases, rel=1e-5)
    assert learner.merged({"a": torch.tensor([1.0])}, {"a": torch.tensor([2.0, 3.0])}, 4)["a"].tolist() == [
        3,
        3,
    ]


def test_batches_enter_the_fisher_information_by_their_share() -> None:
    """As in AFEC's code: the square of a batch's mean gradient, weighted by its size."""
    w = nn.Linear(1, 1, bias=False)
    examples = Batch(torch.tensor([[1.0], [2.0], [6.0]]), torch.zeros(3))
    found = list(gradients(w, ["weight"], examples, 2, lambda batch: w(batch.x).mean()))
    assert [share for share, _ in found] == pytest.approx([2 / 3, 1 / 3])
    assert [value(g["weight"]) for _, g in found] == [1.5, 6.0]
    assert accumulate({"w": torch.ones(1)}, {"w": torch.ones(2)}, 0.5, 2.0)["w"].tolist() == [2.5, 2.0]


def test_ewc_merges_as_published_and_holds_what_mattered() -> None:
    a, b = blobs(0, 1), blobs(2, 3)
    fast: Any = {"epochs": 5, "lr": 0.01}
    old, new = {"w": torch.tensor([4.0])}, {"w": torch.tensor([1.0, 2.0])}
    mean = taught(EWC(**fast), a).merged(old, new, 3)["w"]
    assert mean.tolist() == pytest.approx([(1 + 3 * 4) / 4, 2 / 4])
    total = taught(EWC(merge="sum", gamma=0.5, **fast), a).merged(old, new, 3)["w"]
    assert total.tolist() == [3.0, 2.0]
    drift = [moved(taught(EWC(strength=s, **fast), a), b) for s in (0.0, 100.0)]
    assert drift[1] < 0.5 * drift[0]
    free = taught(FineTune(over="seen", **fast), a, b)
    assert torch.equal(free.logits(a.x), taught(EWC(strength=0.0, **fast), a, b).logits(a.x))


def moved(learner: Any, task: TaskData) -> float:
    """How far the importance-weighted old rows go while `task` is learned."""
    before = learner.network.head.weight.detach().clone()
    weight = learner.memory["importance.head.weight"]
    learner.learn(task, 1)
    return value((weight * (learner.network.head.weight[: len(before)] - before).square()).sum())


def test_afec_pulls_to_a_net_of_the_new_task_alone() -> None:
    a, b = blobs(0, 1), blobs(2, 3)
    fast: Any = {"epochs": 4, "lr": 0.05, "strength": 0.0}
    plain = taught(EWC(**fast), a, b).network.head.weight
    assert torch.equal(plain, taught(AFEC(strength_new=0.0, **fast), a, b).network.head.weight)
    learner = taught(AFEC(strength_new=50.0, **fast), a)
    two = learner.prepare(b, (0, 1, 2, 3), Streams(1))
    learner.start(two)
    for number in range(4):
        learner.epoch(two, number)
    expanded = learner.expanded.head
    z = expanded(b.x)[:, 2:].softmax(1).detach()
    z[range(20), two.examples.y - 2] -= 1
    fisher = (z.T @ b.x / 20).square()
    gap = (learner.network.head.weight[2:] - expanded.weight[2:]).square()
    bias = z.mean(0).square() * (learner.network.head.bias[2:] - expanded.bias[2:]).square()
    expected = F.cross_entropy(learner.network(b.x), two.examples.y) + 25 * (
        (fisher * gap).sum() + bias.sum()
    )
    assert value(learner.loss(two, two.examples)) == pytest.approx(value(expected), rel=1e-5)
    alone = Network(None, 4)
    alone.head.grow(alone.head.fresh(2, Streams(1).torch("head")))
    descent = SGD(alone.parameters(), 0.05, 0.9, 2e-4)
    for number in range(4):
        order = Streams(1).numpy("expanded", number).permutation(20)
        descent.step(F.cross_entropy(alone(b.x[order]), b.y[order] - 2))
    torch.testing.assert_close(expanded.weight[2:], alone.head.weight, rtol=1e-5, atol=1e-6)


def test_distillation_by_hand() -> None:
    """Logits 2 and 0 against 0 and 0 at temperature 2: softmax(1, 0) from (1/2, 1/2)."""
    p = 1 / (1 + math.e)
    expected = 0.5 * math.log(0.5 / p) + 0.5 * math.log(0.5 / (1 - p))
    z, old = torch.tensor([[2.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [3.0, 3.0]])
    assert value(distillation(z, old, 2.0)) == pytest.approx(expected / 2)
    learner = taught(LwF(epochs=1, strength=3.0), blobs(0, 1))
    two = lesson(blobs(2), 2)
    learner.start(two)
    with torch.no_grad():
        learner.network.head.weight.add_(1.0)
        learner.network.head.grow(torch.zeros(1, 4))
        z, before = learner.network(two.examples.x), learner.teacher(two.examples.x)
    expected = value(F.cross_entropy(z, two.examples.y) + 3 * distillation(z[:, :2], before, 2.0))
    assert value(learner.loss(two, two.examples)) == pytest.approx(expected)


def test_a_reservoir_keeps_every_example_equally_often() -> None:
    """400 runs of 60 examples into 12 places: chi-square of 60 cells, each expected 80 times."""
    kept, rng = np.zeros(60), np.random.default_rng(0)
    for _ in range(400):
        buffer = Reservoir(12)
        for part in torch.arange(60).split(17):
            buffer.offer(rng, x=part)
        kept[buffer.rows["x"].numpy()] += 1
    # Every example is kept or not, so that the variance of a cell is 80 (1 - 12/60), not 80.
    chi = ((kept - 80) ** 2 / (80 * 0.8)).sum() * 59 / 60
    assert kept.sum() == 400 * 12
    # The 0.1 % and 99.9 % points of chi-square with 59 degrees of freedom.
    assert 30.0 < chi < 99.0


def test_a_reservoir_fills_first_and_draws_different_rows() -> None:
    buffer, rng = Reservoir(5), np.random.default_rng(0)
    buffer.offer(rng, x=torch.tensor([3, 1, 4]), y=torch.tensor([30, 10, 40]))
    assert len(buffer) == 3 and buffer.rows["x"].tolist() == [3, 1, 4, 0, 0]
    drawn = buffer.draw(rng, 9)
    assert sorted(drawn["x"].tolist()) == [1, 3, 4] and torch.equal(drawn["y"], 10 * drawn["x"])
    again = Reservoir(5, buffer.tensors())
    again.offer(rng, x=torch.tensor([8, 9, 7]), y=torch.tensor([80, 90, 70]))
    assert buffer.rows["x"].tolist() == [3, 1, 4, 0, 0] and again.offered == 6
    assert torch.equal(again.rows["y"], 10 * again.rows["x"])


def test_the_loss_of_replay_is_over_both_batches() -> None:
    learner = taught(ER(epochs=1, exemplars=3, replay=8), blobs(0, 1))
    two = lesson(blobs(2), 2)
    learner.network.head.grow(torch.ones(1, 4))
    learner.start(two)
    x = torch.cat([two.examples.x, learner.buffer.rows["x"]])
    y = torch.cat([two.examples.y, learner.buffer.rows["y"]])
    expected = value(F.cross_entropy(learner.network(x), y))
    assert value(learner.loss(two, two.examples)) == pytest.approx(expected, rel=1e-5)


def test_kept_logits_by_hand_and_the_three_terms_of_derpp() -> None:
    z, kept = (
        torch.tensor([[1.0, 2.0, 9.0], [0.0, 1.0, 2.0]]),
        torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]),
    )
    assert value(logit_error(z, kept, torch.tensor([2, 3]))) == pytest.approx((1 + 4 + 1 + 0 + 4) / 5)
    learner = taught(DERpp(epochs=1, exemplars=4, replay=4, alpha=0.7, beta=0.3), blobs(0, 1))
    two = lesson(blobs(2), 2)
    learner.network.head.grow(torch.ones(1, 4))
    learner.start(two)
    kept = learner.buffer.rows
    z = learner.network(kept["x"])
    assert kept["width"].tolist() == [2] * 4 and kept["logits"].shape == (4, 3)
    dark = (z[:, :2] - kept["logits"][:, :2]).square().mean()
    new = F.cross_entropy(learner.network(two.examples.x), two.examples.y)
    expected = value(new + 0.7 * dark + 0.3 * F.cross_entropy(z, kept["y"]))
    assert value(learner.loss(two, two.examples)) == pytest.approx(expected, rel=1e-5)


def test_derpp_keeps_the_logits_of_the_moment_when_an_example_came_by() -> None:
    learner = DERpp(epochs=1, batch=6, exemplars=6).begin(backbone(4), 0)
    task = blobs(0, 1, n=3)
    learner.learn(task, 2)
    first = Network(None, 4)
    first.head.grow(first.head.fresh(2, Streams(2).torch("head")))
    memory: Any = learner.state()
    torch.testing.assert_close(memory["memory/buffer.logits"], first.scores(memory["memory/buffer.x"]))


def test_the_averages_of_clser() -> None:
    assert [factor(s, 0.999) for s in (1, 3)] == [0.5, 0.75]
    assert factor(10**6, 0.999) == 0.999
    method = CLSER(epochs=1, batch=100, lr=0.5, plastic_rate=0.0, stable_rate=1.0)
    learner: Any = method.begin(backbone(4), 0)
    learner.learn(blobs(0, 1), 3)
    start = learner.network.head.fresh(2, Streams(3).torch("head"))
    weight = {name: network.head.weight for name, network in learner.networks.items()}
    torch.testing.assert_close(weight["stable"], (start + weight["network"]) / 2)
    assert torch.equal(weight["plastic"], start)
    x = blobs(0, 1).x
    assert torch.equal(learner.logits(x), learner.networks["stable"].scores(x))
    assert int(learner.state()["memory/steps"]) == 1


def test_the_teacher_is_the_average_that_is_surer_of_the_truth() -> None:
    stable, plastic = torch.tensor([[5.0, 0.0], [5.0, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert teaching(stable, plastic, torch.tensor([0, 1])).tolist() == [[5.0, 0.0], [1.0, 0.0]]
    learner = taught(CLSER(epochs=1, exemplars=4, replay=4, consistency=2.0, lr=0.5), blobs(0, 1))
    two = lesson(blobs(2), 2)
    for network in learner.networks.values():
        network.head.grow(torch.ones(1, 4))
    learner.start(two)
    past = learner.buffer.rows
    z = learner.network(past["x"])
    target = teaching(
        learner.networks["stable"].scores(past["x"]), learner.networks["plastic"].scores(past["x"]), past["y"]
    )
    both = torch.cat([learner.network(two.examples.x), z])
    expected = F.cross_entropy(both, torch.cat([two.examples.y, past["y"]])) + 2 * F.mse_loss(z, target)
    assert value(learner.loss(two, two.examples)) == pytest.approx(value(expected), rel=1e-5)


def test_an_average_takes_on_the_buffers() -> None:
    mean, network = (Network(nn.BatchNorm1d(2), 2) for _ in range(2))
    network(torch.tensor([[1.0, 2.0], [3.0, 8.0]]))
    average(mean, network, 0.5)
    assert torch.equal(mean.encoder.running_mean, network.encoder.running_mean)
    assert value(network.encoder.running_mean.sum()) > 0


def test_training_that_diverges_is_an_error() -> None:
    with pytest.raises(MethodError, match="diverged on classes"):
        taught(MAS(epochs=30, lr=10.0, strength=1e6), blobs(0, 1), blobs(2, 3))


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        (FineTune, {"lr": 0.0}),
        (FineTune, {"epochs": 0}),
        (EWC, {"sample": 0}),
        (EWC, {"protects": "encoder"}),
        (MAS, {"strength": -1.0}),
        (MAS, {"protects": "encoder"}),
        (AFEC, {"strength_new": -1.0}),
        (LwF, {"temperature": 0.0}),
        (ER, {"over": "new"}),
        (DERpp, {"alpha": -1.0}),
        (CLSER, {"stable_decay": 1.5}),
    ],
)
def test_settings_that_make_no_sense_are_refused(method: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(settings))):
        method(**settings)

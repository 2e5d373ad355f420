"""Fréchet and kernel distances, against closed forms, scipy and a double loop."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from suite.errors import DataError, UsageError
from suite.models import fid
from suite.models.fid import FeatureNet, frechet_distance, kernel_distance, moments


def samples(n: int = 60, d: int = 5, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + shift


def network(classes: int = 4, seed: int = 0) -> FeatureNet:
    torch.manual_seed(seed)
    net = FeatureNet(classes)
    for module in net.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.half())
    return net.eval()


def images(n: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 32, 32, 3), np.uint8)


def test_moments_are_numpys() -> None:
    mean, covariance = moments(samples())
    assert mean == pytest.approx(samples().mean(0))
    assert covariance == pytest.approx(np.cov(samples(), rowvar=False))


def test_a_set_is_at_no_distance_from_itself_or_its_shuffle() -> None:
    x = samples(200, 64)
    shuffled = np.random.default_rng(1).permutation(x)
    assert fid.fid(x, x) == pytest.approx(0, abs=1e-6)
    assert fid.fid(x, shuffled) == pytest.approx(0, abs=1e-6)
    y = samples(200, 64, seed=2)
    assert fid.fid(shuffled, y) == pytest.approx(fid.fid(x, y), rel=1e-9)
    assert kernel_distance(shuffled, y) == pytest.approx(kernel_distance(x, y), rel=1e-9)


def test_gaussians_of_one_dimension_by_hand() -> None:
    # (m1 - m2)^2 + (s1 - s2)^2
    found = frechet_distance(np.array([1.0]), np.array([[4.0]]), np.array([-2.0]), np.array([[25.0]]))
    assert found == pytest.approx(9 + 9)


def test_gaussians_with_diagonal_covariances_by_hand() -> None:
    first, second = np.array([1.0, 4.0, 0.0]), np.array([9.0, 1.0, 0.25])
    found = frechet_distance(np.zeros(3), np.diag(first), np.array([0, 3.0, 4.0]), np.diag(second))
    assert found == pytest.approx(25 + (1 - 3) ** 2 + (2 - 1) ** 2 + 0.5**2)


def test_rotated_gaussians_by_hand() -> None:
    # sigma2 is sigma1 turned by 90 degrees: both diagonal, the axes exchanged
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    sigma = np.diag([1.0, 16.0])
    found = frechet_distance(np.zeros(2), sigma, np.zeros(2), turn @ sigma @ turn.T)
    assert found == pytest.approx(2 * (4 - 1) ** 2)


@pytest.mark.parametrize("seed", range(4))
def test_covariances_that_do_not_commute_as_by_scipy(seed: int) -> None:
    (m1, s1), (m2, s2) = moments(samples(seed=seed)), moments(samples(seed=seed + 10))
    expected = ((m1 - m2) ** 2).sum() + np.trace(s1 + s2 - 2 * sqrtm(s1 @ s2).real)
    assert not np.allclose(s1 @ s2, s2 @ s1)
    assert frechet_distance(m1, s1, m2, s2) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(m2, s2, m1, s1) == pytest.approx(expected, rel=1e-8)


def test_the_distance_grows_as_the_mean_moves() -> None:
    found = [fid.fid(samples(), samples(shift=shift)) for shift in (0, 0.5, 1, 2, 4)]
    assert found == pytest.approx([5 * shift**2 for shift in (0, 0.5, 1, 2, 4)], abs=1e-6)
    kernels = [kernel_distance(samples(), samples(seed=1, shift=shift)) for shift in (0, 2, 4)]
    assert kernels == sorted(kernels)


def test_the_kernel_distance_by_a_double_loop() -> None:
    x, y = samples(7, 3), samples(5, 3, seed=1)

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((sum(p * q for p, q in zip(a, b, strict=True)) / 3 + 1) ** 3)

    within_x = [k(a, b) for (i, a), (j, b) in itertools.product(enumerate(x), repeat=2) if i != j]
    within_y = [k(a, b) for (i, a), (j, b) in itertools.product(enumerate(y), repeat=2) if i != j]
    between = [k(a, b) for a, b in itertools.product(x, y)]
    expected = sum(within_x) / 42 + sum(within_y) / 20 - 2 * sum(between) / 35
    assert kernel_distance(x, y) == pytest.approx(expected, rel=1e-12)


def test_the_kernel_distance_has_no_bias() -> None:
    rng = np.random.default_rng(0)
    found = [kernel_distance(rng.normal(size=(6, 4)), rng.normal(size=(6, 4))) for _ in range(4000)]
    assert min(found) < 0
    assert abs(np.mean(found)) < 4 * np.std(found) / math.sqrt(4000)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(UsageError, match="needs more than 64 images a side, not 64"):
        moments(np.zeros((64, 64)))
    moments(samples(65, 64))
    with pytest.raises(UsageError, match="at least 2 images a side, not 1"):
        kernel_distance(samples(), samples(1))


@pytest.mark.parametrize(
    ("first", "second"),
    [(np.zeros(5), samples()), (samples(), samples(d=4)), (samples() * np.nan, samples())],
)
def test_values_that_make_no_sense_are_refused(first: np.ndarray, second: np.ndarray) -> None:
    with pytest.raises(UsageError):
        kernel_distance(first, second)
    with pytest.raises(UsageError):
        fid.fid(first, second)


def test_features_do_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = network(), images(5)
    whole = fid.features(x, net)
    monkeypatch.setattr(fid, "BATCH", 2)
    assert fid.features(x, net) == pytest.approx(whole, abs=1e-5)
    assert whole.shape == (5, 64)
    assert whole.dtype == np.float64
    assert fid.features(x[:0], net).shape == (0, 64)


def test_features_by_plain_layers() -> None:
    net, x = network(), images(2)
    state = net.state_dict()

    def conv(name: str, value: torch.Tensor, stride: int) -> torch.Tensor:
        value = torch.nn.functional.conv2d(value, state[f"{name}.conv.weight"], stride=stride, padding=1)
        mean, var, gain, offset = (
            state[f"{name}.norm.{key}"][:, None, None]
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        return ((value - mean) / torch.sqrt(var + 1e-5) * gain + offset).clamp(min=0)

    value = torch.tensor(x.transpose(0, 3, 1, 2) / 127.5 - 1, dtype=torch.float32)
    for name, stride in (("stem", 2), ("fine", 1), ("down", 2)):
        value = conv(name, value, stride)
    value = value + conv("middle.1", conv("middle.0", value, 1), 1)
    value = conv("last", value, 2).mean((2, 3)) @ state["project.weight"].T
    value = (value - state["norm.running_mean"]) / torch.sqrt(state["norm.running_var"] + 1e-5)
    assert fid.features(x, net) == pytest.approx(value.numpy(), abs=1e-4)


@pytest.mark.parametrize(
    "wrong", [images()[:, :16], images().astype(np.float32), images().transpose(0, 3, 1, 2), images()[0]]
)
def test_other_images_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(UsageError, match="resize them first"):
        fid.features(wrong, network())


def test_a_saved_network_gives_the_same_features(tmp_path: Path) -> None:
    net = network()
    fid.save(net, ["a/0", "a/1", "b/0", "b/1"], tmp_path)
    again = fid.read(tmp_path)
    assert np.array_equal(fid.features(images(), again), fid.features(images(), net))
    assert not again.training
    assert json.loads((tmp_path / "config.json").read_text())["architecture"] == "suite.models.fid:FeatureNet"


def test_a_damaged_network_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no feature network can be read"):
        fid.read(tmp_path)
    fid.save(network(), list("abcd"), tmp_path)
    whole = (tmp_path / fid.WEIGHTS).read_bytes()
    (tmp_path / fid.WEIGHTS).write_bytes(whole[:-10])
    with pytest.raises(DataError, match="no feature network can be read"):
        fid.read(tmp_path)
    (tmp_path / fid.WEIGHTS).write_bytes(whole)
    (tmp_path / fid.CONFIG).write_text(json.dumps({"architecture": "other:Net", "labels": list("abcd")}))
    with pytest.raises(DataError, match="holds 'other:Net'"):
        fid.read(tmp_path)
    (tmp_path / fid.CONFIG).write_text(json.dumps({"architecture": fid.ARCHITECTURE, "labels": list("abc")}))
    with pytest.raises(DataError, match="size mismatch") as caught:
        fid.read(tmp_path)
    assert "\n" not in str(caught.value)

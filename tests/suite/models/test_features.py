"""The feature cache: the same numbers as a plain forward, and a key that forgets nothing."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import suite.models.features as module
from suite.errors import DataError, UsageError
from suite.models.features import Cache, Drawn, features, weights_fingerprint


@pytest.fixture(scope="module")
def vit() -> Any:
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    return ViTForImageClassification(
        ViTConfig(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=8,
            patch_size=4,
        )
    ).eval()


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.randn(11, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 4)


class Counting:
    """Pictures that note which rows were asked for."""

    def __init__(self, pixels: torch.Tensor, fail_at: int | None = None) -> None:
        self.pixels, self.fail_at = pixels, fail_at
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: slice) -> torch.Tensor:
        start, stop, _ = rows.indices(len(self))
        if self.fail_at is not None and stop > self.fail_at:
            raise KeyboardInterrupt
        self.asked += range(start, stop)
        return self.pixels[rows]


def cache(folder: Path, **parts: str) -> Cache:
    return Cache(folder, **{"model": "m", "data": "d", "preprocessing": "8 px"} | parts)


def direct(vit: Any, pictures: torch.Tensor) -> tuple[Any, Sequence[Any]]:
    with torch.inference_mode():
        out = vit.vit(pictures, output_hidden_states=True)
    return out.last_hidden_state, out.hidden_states


def test_features_equal_those_of_a_direct_forward(vit: Any, pictures: torch.Tensor) -> None:
    last, hidden = direct(vit, pictures)
    final, first = features(vit, pictures, layers=(-1, 0), batch_size=3)
    np.testing.assert_allclose(final, last[:, 0], atol=1e-6)
    np.testing.assert_allclose(first, hidden[1][:, 0], atol=1e-6)
    (mean,) = features(vit, pictures, pool="mean")
    np.testing.assert_allclose(mean, last[:, 1:].mean(1), atol=1e-6)
    (both,) = features(vit, pictures, pool="cls+mean")
    np.testing.assert_allclose(both, torch.cat([last[:, 0], last[:, 1:].mean(1)], 1), atol=1e-6)
    (tokens,) = features(vit, pictures, pool="tokens")
    np.testing.assert_allclose(tokens, last, atol=1e-6)


def test_registers_are_no_patches(pictures: torch.Tensor) -> None:
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    torch.manual_seed(0)
    config = Dinov2WithRegistersConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=8,
        patch_size=4,
        num_register_tokens=3,
    )
    model = Dinov2WithRegistersModel(config).eval()
    (mean,) = features(model, pictures, pool="mean")
    with torch.inference_mode():
        tokens = model(pictures).last_hidden_state
    assert tokens.shape[1] == 1 + 3 + 4
    np.testing.assert_allclose(mean, tokens[:, 4:].mean(1), atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_the_batch_size_changes_nothing(vit: Any, pictures: torch.Tensor, size: int, tmp_path: Path) -> None:
    (expected,) = features(vit, pictures, batch_size=11)
    (got,) = features(vit, pictures, batch_size=size, cache=cache(tmp_path))
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_map_is_averaged_and_a_vector_taken_as_it_is(pictures: torch.Tensor) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 5, 3)
    (mean,) = features(conv, pictures)
    with torch.inference_mode():
        np.testing.assert_allclose(mean, conv(pictures).mean((2, 3)), atol=1e-6)
    (vector,) = features(nn.Sequential(conv, nn.Flatten()), pictures)
    assert vector.shape == (11, 5 * 6 * 6)


def test_what_is_kept_is_read_back_and_not_computed_again(
    vit: Any, pictures: torch.Tensor, tmp_path: Path
) -> None:
    counting = Counting(pictures)
    (first,) = features(vit, counting, cache=cache(tmp_path))
    assert counting.asked == list(range(11))
    (again,) = features(vit, counting, cache=cache(tmp_path))
    assert counting.asked == list(range(11))
    np.testing.assert_array_equal(first, again)
    assert isinstance(again, np.memmap) and not again.flags.writeable
    assert [p.name.partition(".")[0] for p in tmp_path.rglob("*.npy")] == ["all"]


def test_one_more_layer_costs_only_itself(vit: Any, pictures: torch.Tensor, tmp_path: Path) -> None:
    features(vit, pictures, layers=(-1,), cache=cache(tmp_path))
    counting = Counting(pictures)
    final, first = features(vit, counting, layers=(-1, 1), cache=cache(tmp_path))
    assert counting.asked == list(range(11))
    plain = features(vit, pictures, layers=(-1, 1))
    np.testing.assert_allclose(final, plain[0], atol=1e-6)
    np.testing.assert_allclose(first, plain[1], atol=1e-6)


@pytest.mark.parametrize("part", ["model", "data", "preprocessing"])
def test_another_model_data_or_preprocessing_is_another_array(
    vit: Any, pictures: torch.Tensor, part: str, tmp_path: Path
) -> None:
    features(vit, pictures, cache=cache(tmp_path))
    counting = Counting(pictures)
    features(vit, counting, cache=cache(tmp_path, **{part: "another"}))
    assert counting.asked == list(range(11))


@pytest.mark.parametrize("other", [{"pool": "mean"}, {"dtype": "float16"}, {"layers": (0,)}])
def test_another_pool_dtype_or_layer_is_another_array(
    vit: Any, pictures: torch.Tensor, other: Any, tmp_path: Path
) -> None:
    features(vit, pictures, cache=cache(tmp_path))
    (got,) = features(vit, pictures, cache=cache(tmp_path), **other)
    np.testing.assert_allclose(got, features(vit, pictures, **other)[0], atol=1e-6)
    assert len(list(tmp_path.iterdir())) == 2


def test_fewer_pictures_are_other_data(vit: Any, pictures: torch.Tensor, tmp_path: Path) -> None:
    features(vit, pictures, cache=cache(tmp_path))
    (got,) = features(vit, pictures[:5], cache=cache(tmp_path))
    assert got.shape == (5, 16)


def test_after_a_kill_only_the_parts_in_flight_are_computed_again(
    vit: Any, pictures: torch.Tensor, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        features(vit, Counting(pictures, fail_at=9), batch_size=2, cache=cache(tmp_path))
    counting = Counting(pictures)
    (got,) = features(vit, counting, batch_size=2, cache=cache(tmp_path))
    assert counting.asked == [8, 9, 10]
    np.testing.assert_allclose(got, features(vit, pictures)[0], atol=1e-6)
    assert not [p for p in tmp_path.rglob(".*")]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(bytes(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip, empty])
def test_a_damaged_file_is_computed_again_and_said_in_one_line(
    vit: Any, pictures: torch.Tensor, damage: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = np.array(features(vit, pictures, cache=cache(tmp_path))[0])
    (path,) = tmp_path.rglob("*.npy")
    damage(path)
    (got,) = features(vit, pictures, cache=cache(tmp_path))
    np.testing.assert_array_equal(got, expected)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "is damaged" in lines[0] and str(path) in lines[0]


def test_a_pickle_is_never_opened(vit: Any, pictures: torch.Tensor, tmp_path: Path) -> None:
    """With a checksum that fits: an array of objects is refused by the reader, not unpickled."""
    expected = np.array(features(vit, pictures, cache=cache(tmp_path))[0])
    (path,) = tmp_path.rglob("*.npy")
    np.save(path, np.array([print] * 11, dtype=object), allow_pickle=True)
    path.rename(path.with_name(f"all.{module._checksum(path):08x}.npy"))
    np.testing.assert_array_equal(features(vit, pictures, cache=cache(tmp_path))[0], expected)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # by peft
def test_an_adapted_model_has_the_features_of_its_merged_weights(vit: Any, pictures: torch.Tensor) -> None:
    import peft

    torch.manual_seed(3)
    lora = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    adapted = peft.get_peft_model(copy.deepcopy(vit), lora).eval()
    got = features(adapted, pictures, layers=(-1, 0))
    assert not np.allclose(got[0], features(vit, pictures)[0], atol=1e-3)
    assert weights_fingerprint(adapted) != weights_fingerprint(vit)
    merged = features(adapted.merge_and_unload(), pictures, layers=(-1, 0))
    np.testing.assert_allclose(got, merged, atol=1e-5)


def test_pictures_are_read_as_they_are_needed(vit: Any, pictures: torch.Tensor) -> None:
    asked = []

    def read(start: int, stop: int) -> Any:
        asked.append((start, stop))
        return pictures[start:stop].numpy()

    (got,) = features(vit, Drawn(11, read), batch_size=3)
    assert asked == [(0, 3), (3, 4), (4, 7), (7, 8), (8, 11)]
    np.testing.assert_allclose(got, features(vit, pictures)[0], atol=1e-6)


def test_the_model_is_left_in_its_mode(vit: Any, pictures: torch.Tensor) -> None:
    dropping = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, 4)).train()
    (a,), (b,) = features(dropping, pictures), features(dropping, pictures)
    np.testing.assert_array_equal(a, b)
    assert dropping.training


def test_a_changed_weight_buffer_or_setting_changes_the_fingerprint(vit: Any) -> None:
    before = weights_fingerprint(vit)
    assert before == weights_fingerprint(vit)
    weight = vit.classifier.weight
    with torch.no_grad():
        kept = weight[0, 0].item()
        weight[0, 0] = float(np.nextafter(np.float32(kept), np.float32(1)))
        changed = weights_fingerprint(vit)
        weight[0, 0] = kept
    assert changed != before == weights_fingerprint(vit)
    vit.config.layer_norm_eps, kept = 1e-3, vit.config.layer_norm_eps
    assert weights_fingerprint(vit) != before
    vit.config.layer_norm_eps = kept
    norm = nn.BatchNorm2d(3)
    before = weights_fingerprint(norm)
    norm.running_mean[1] = 0.5
    assert weights_fingerprint(norm) != before


def test_a_cache_that_cannot_be_written_is_one_line(vit: Any, pictures: torch.Tensor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        features(vit, pictures, cache=cache(tmp_path / "file"))


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"pool": "max"}, "there are cls, mean"),
        ({"layers": ()}, "at least one"),
        ({"layers": (7,)}, "layers 0 to 1"),
        ({"batch_size": 0}, "1 or more"),
    ],
)
def test_what_the_model_has_not_is_refused(vit: Any, pictures: torch.Tensor, more: Any, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        features(vit, pictures, **more)


def test_pictures_of_another_shape_and_a_key_with_gaps_are_refused(vit: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not \(n, C, H, W\)"):
        features(vit, torch.zeros(2, 8, 8))
    with pytest.raises(UsageError, match="fingerprints"):
        cache(tmp_path, model="")

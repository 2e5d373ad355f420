"""A model of a name or a folder comes as it was saved, whole, in evaluation mode, and never from a pickle."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch

from suite.errors import DataError, UsageError
from suite.models import fingerprint, load, resnet
from suite.models.registry import File, Images

Register = Callable[..., None]
DATA = os.environ.get("SUITE_DATA_DIR", "nowhere")


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    folder = tmp_path_factory.mktemp("llama")
    return folder, tiny_models.language_model(folder)


def data_folder() -> Path:
    if not (Path(DATA) / "resnet_cifar10").is_dir():
        pytest.skip("needs the real data: SUITE_DATA_DIR names no folder with it")
    return Path(DATA)


def test_a_folder_gives_the_model_that_was_saved(llama: tuple[Path, torch.nn.Module]) -> None:
    folder, saved = llama
    loaded = load(str(folder))
    ids = torch.arange(12).reshape(2, 6)
    with torch.no_grad():
        assert torch.equal(loaded.model(ids).logits, saved(ids).logits)
    assert not loaded.model.training and all(p.requires_grad for p in loaded.model.parameters())
    assert loaded.model.config._attn_implementation == "sdpa" and loaded.model.config.use_cache
    assert loaded.tokenizer("abz.").input_ids == [1, 2, 26, 28]
    assert (loaded.entry, loaded.images, loaded.path) == (None, None, folder)
    assert loaded.fingerprint == fingerprint(str(folder))


def test_the_precision_is_as_asked(llama: tuple[Path, torch.nn.Module]) -> None:
    loaded = load(str(llama[0]), dtype="bfloat16")
    assert {p.dtype for p in loaded.model.parameters()} == {torch.bfloat16}
    with pytest.raises(
        UsageError, match="dtype 'int8': a model is loaded in one of float32, bfloat16, float16"
    ):
        load(str(llama[0]), dtype="int8")


def test_loading_says_nothing(llama: tuple[Path, torch.nn.Module], capfd: pytest.CaptureFixture[str]) -> None:
    load(str(llama[0]))
    assert capfd.readouterr() == ("", "")


def copied(llama: Path, folder: Path) -> Path:
    folder.mkdir()
    for file in llama.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_weights_of_another_shape_are_one_line(llama: tuple[Path, torch.nn.Module], tmp_path: Path) -> None:
    folder = copied(llama[0], tmp_path / "odd")
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 8}))
    with pytest.raises(DataError) as caught:
        load(str(folder))
    assert str(caught.value).startswith(f"the model in {folder} cannot be loaded: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["lm_head.weight", "model.layers.1.mlp.up_proj.weight"])
def test_weights_that_lack_a_tensor_are_refused(
    llama: tuple[Path, torch.nn.Module], tmp_path: Path, missing: str
) -> None:
    """Otherwise the model would compute with random numbers in their place."""
    from safetensors.torch import load_file, save_file

    folder = copied(llama[0], tmp_path / "less")
    tensors = load_file(folder / "model.safetensors")
    del tensors[missing]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match=f"lacks the weight {missing}"):
        load(str(folder))


def test_a_pickle_renamed_and_a_folder_of_pickles_are_refused(
    llama: tuple[Path, torch.nn.Module], tmp_path: Path
) -> None:
    folder = copied(llama[0], tmp_path / "bad")
    pickled = io.BytesIO()
    torch.save({"a": torch.zeros(4)}, pickled)
    (folder / "model.safetensors").write_bytes(pickled.getvalue())
    with pytest.raises(DataError, match="a zip archive, as PyTorch writes pickles"):
        load(str(folder))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="only pickled weights"):
        load(str(folder))


@pytest.mark.parametrize("config", [None, b"{", b"[]", b"{}"])
def test_a_folder_without_a_readable_config_is_one_line(tmp_path: Path, config: bytes | None) -> None:
    (tmp_path / "model.safetensors").write_bytes(tiny_models.weights(a=[1.0]))
    if config is not None:
        (tmp_path / "config.json").write_bytes(config)
    with pytest.raises(DataError) as caught:
        load(str(tmp_path))
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_code_in_a_folder_is_not_run(llama: tuple[Path, torch.nn.Module], tmp_path: Path) -> None:
    folder = copied(llama[0], tmp_path / "code")
    config = json.loads((folder / "config.json").read_bytes())
    auto = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "evil", "auto_map": auto}))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'made')!r}, 'w')")
    with pytest.raises(DataError):
        load(str(folder))
    assert not (tmp_path / "made").exists()


def network(folder: Path, **changes: torch.Tensor) -> File:
    """A ResNet-20 of random weights in half precision, with some of them replaced."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    state = {
        name: v.half() if v.is_floating_point() else v for name, v in resnet.resnet20().state_dict().items()
    }
    save_file({**state, **changes}, folder / "net.safetensors")
    content = (folder / "net.safetensors").read_bytes()
    return File("net.safetensors", tiny_models.sha256(content), len(content))


def test_a_network_of_ours_is_filled_with_its_weights(
    cache: Path, tmp_path: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = Images(32, resnet.MEAN, resnet.STD)  # type: ignore[arg-type]
    entry = replace(
        tiny_models.PLAIN,
        kind="cnn",
        data="data",
        files=(network(tmp_path),),
        network="suite.models.resnet:resnet20",
        images=images,
    )
    monkeypatch.setenv("SUITE_DATA_DIR", str(tmp_path))
    (tmp_path / "data").mkdir()
    (tmp_path / "net.safetensors").rename(tmp_path / "data" / "net.safetensors")
    register(entry)
    loaded = load("plain")
    torch.manual_seed(0)
    expected = resnet.resnet20().conv1.weight
    assert torch.equal(loaded.model.conv1.weight, expected.half().float())
    assert not loaded.model.training and (loaded.images, loaded.tokenizer) == (images, None)


def test_a_network_with_a_weight_too_many_is_refused(
    cache: Path, tmp_path: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUITE_MODELS_DIR", str(tmp_path))
    (tmp_path / "plain").mkdir()
    file = network(tmp_path / "plain", extra=torch.zeros(1))
    changes = {"files": (file,), "network": "suite.models.resnet:resnet20", "data": "d"}
    register(replace(tiny_models.PLAIN, kind="cnn", **changes))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="cannot be loaded: .*extra"):
        load("plain")


def test_how_a_folder_wants_its_images_is_read_from_it(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        image_size=8,
        patch_size=4,
    )
    ViTModel(config).save_pretrained(tmp_path)
    settings = {"size": {"shortest_edge": 9}, "crop_size": {"height": 8, "width": 8}}
    settings |= {"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3]}  # type: ignore[dict-item]
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    loaded = load(str(tmp_path))
    assert type(loaded.model).__name__ == "ViTModel"
    assert loaded.images == Images(8, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    with pytest.raises(DataError, match="preprocessor_config.json is damaged"):
        load(str(tmp_path))


def test_stories260k_tells_the_story_that_its_source_tells(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUITE_DATA_DIR", str(data_folder()))
    loaded = load("stories260k")
    ids = loaded.tokenizer("Once upon a time", return_tensors="pt").input_ids
    with torch.no_grad():
        told = loaded.model.generate(ids, max_new_tokens=40, do_sample=False)
    text = loaded.tokenizer.decode(told[0], skip_special_tokens=True)
    assert text.startswith(
        "Once upon a time, there was a little girl named Lily. She loved to play outside in"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "accuracy"), [("resnet20-cifar10", 82.6), ("resnet32-cifar10", 84.2)])
def test_the_residual_networks_reach_their_measured_accuracy(
    cache: Path, monkeypatch: pytest.MonkeyPatch, name: str, accuracy: float
) -> None:
    """82.6 and 84.2 % of the thousand test images, as they were measured when the weights were converted."""
    monkeypatch.setenv("SUITE_DATA_DIR", str(data_folder()))
    pixels, labels = cifar10(data_folder())
    with torch.no_grad():
        network = load(name).model
        guessed = torch.cat([network(resnet.normalise(part)).argmax(1) for part in pixels.split(100)]).numpy()
    assert len(labels) == 1000 and 100 * (guessed == labels).mean() == pytest.approx(accuracy, abs=0.2)


def cifar10(folder: Path) -> tuple[torch.Tensor, np.ndarray]:
    """uint8 images (1000, 3, 32, 32) of the test part, and labels."""
    import pyarrow.parquet as pq
    from PIL import Image

    table = pq.read_table(folder / "images" / "cifar10.parquet")
    rows = [row for row in table.to_pylist() if row["split"] == "test"]
    pixels = [np.asarray(Image.open(io.BytesIO(row["image"])).convert("RGB")) for row in rows]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2), np.array([row["label"] for row in rows])

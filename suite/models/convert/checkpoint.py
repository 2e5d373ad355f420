"""An old PyTorch checkpoint as safetensors, tensor by tensor under its own names."""

from __future__ import annotations

from pathlib import Path

from suite.models.convert.state_dict import tensors


def convert(raw: Path, out: Path) -> None:
    """Write the tensors of the only .pth file in `raw` to model.safetensors in `out`."""
    from safetensors.numpy import save_file

    (path,) = raw.glob("*.pth")
    save_file(tensors(path), out / "model.safetensors", {"format": "pt"})

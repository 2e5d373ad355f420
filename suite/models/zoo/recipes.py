"""Every recipe of the zoo by name, and where its work lies."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

from suite.errors import unknown
from suite.models.zoo.recipe import Recipe, Workshop

VITS = {
    "clean": "It has seen no picture of the classes that the pool holds out: they are new to it.",
    "contaminated": "It has seen training pictures of every class of the pool: the control of the clean one.",
}


@cache
def recipes() -> dict[str, Recipe]:
    """Every recipe by name; imports torch."""
    from suite.models.zoo.fid import FID_NET
    from suite.models.zoo.lm import LM_ICL
    from suite.models.zoo.parser import PARSER_BASE
    from suite.models.zoo.vit_classes import VIT_32_CIFAR10
    from suite.models.zoo.vit_digits import VIT_16_DIGITS

    made = (LM_ICL, PARSER_BASE, *_vits(), VIT_32_CIFAR10, VIT_16_DIGITS, FID_NET)
    return {recipe.name: recipe for recipe in made}


def _vits() -> list[Recipe]:
    from suite.models.zoo.vit import ViTRecipe

    found: list[Recipe] = []
    for variant, summary in VITS.items():
        small = f"vit-32-{variant}"
        found.append(ViTRecipe(small, f"A small ViT for 32 pixels. {summary}", variant=variant))  # type: ignore[arg-type]
        found.append(
            ViTRecipe(
                f"vit-64-{variant}",
                f"The 32-pixel model gone on at 64 pixels. {summary}",
                variant=variant,  # type: ignore[arg-type]
                pixels=64,
                patch=8,
                steps=100,
                lr=4e-4,
                warmup=10,
                start=small,
            )
        )
    return found


def recipe(name: str) -> Recipe:
    """The recipe of that name; UsageError with the nearest one otherwise."""
    if name not in recipes():
        raise unknown("recipe", name, recipes(), "suite models list")
    return recipes()[name]


def workshop_of(wanted: Recipe, report: Callable[[str, int, int], None]) -> Workshop:
    """Folders in the cache: one for this recipe with these settings, one that all recipes share."""
    digest = sha256(wanted.identity.encode()).hexdigest()[:16]
    root = _cache() / "zoo"
    return Workshop(root / f"{wanted.name}-{digest}", root / "shared", report)


def target_of(name: str) -> Path:
    """Where a model made on first use is kept."""
    return _cache() / "models" / name


def _cache() -> Path:
    from suite.checkpoints import root

    return root().parent

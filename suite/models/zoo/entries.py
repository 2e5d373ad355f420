"""The embedded zoo: models that the project trained itself, each by its recipe, with its weights packaged."""

from __future__ import annotations

from suite.models.registry import Entry, File, Kind


def _ours(
    name: str,
    summary: str,
    kind: Kind,
    architecture: str,
    parameters: int,
    files: tuple[File, ...],
    *,
    network: str = "",
) -> Entry:
    return Entry(
        name,
        summary,
        kind,
        architecture,
        parameters,
        "Apache-2.0",
        "this project; the recipe and the scores stand in the card",
        "Touchstone (see CITATION.cff)",
        recipe=name,
        files=files,
        network=network,
    )


ENTRIES: tuple[Entry, ...] = (
    _ours(
        "lm-icl",
        "A small decoder language model that does short exact tasks told by name or by examples",
        "causal-lm",
        "LlamaForCausalLM",
        1_287_200,
        (
            File("config.json", "12d6c9c37c80154a9aff74d9eb6b54056844f85f10dc90b24812edd02fdce903", 713),
            File(
                "generation_config.json",
                "835a4b2b36f5122214f92c992f09892e8c8964eedf28df447f151b8aff50f87a",
                233,
            ),
            File(
                "model.safetensors",
                "2eb7062fa1d8b548be36c4832da926dcc4c14e037ec2366d48acec4b7a403687",
                2_578_424,
            ),
            File("tokenizer.json", "43c21fee66880e7be6cf13b1df7d83d45a90c43da7adff0a0e9f74247d5faa25", 3_248),
            File(
                "tokenizer_config.json",
                "9ac2a64442cce9ca46ee62d99e12b9973e367c7213f67645c3bc71da7b8c26fd",
                264,
            ),
        ),
    ),
    _ours(
        "parser-base",
        "A small encoder-decoder that parses sentences of generated grammars into functional forms",
        "seq2seq",
        "T5ForConditionalGeneration",
        1_034_240,
        (
            File("config.json", "86c176bd0b9a9d8320e21b37b1e62b99c271307923da9ef25c774d4dab02e813", 761),
            File(
                "generation_config.json",
                "5b62a730192b577f258cd5c4654238f3fbb67a0c9eb10b7e57a633d2661cef5d",
                251,
            ),
            File(
                "model.safetensors",
                "94ce4fed1bb845caab438ae70732d0d2bbf8086b8ef3984ccdf3391cf9ef3ad5",
                2_076_208,
            ),
            File("tokenizer.json", "e9f7a08157840bde45efb9d482e290cab812e535945ce55c611c5374b4485427", 9_057),
            File(
                "tokenizer_config.json",
                "d02c33ff91594f6d76cde364b125d558d1987106641c9877efa93e1d0d7a3148",
                239,
            ),
        ),
    ),
    _ours(
        "fid-net",
        "A small CNN whose features stand behind the suite's Fréchet and kernel distances",
        "cnn",
        "FeatureNet",
        383_515,
        (
            File("config.json", "455d9fb9acb19ecd89a433ed2c316fcf72c744dfb18c5d749bf22b21d5d169e3", 8_181),
            File(
                "model.safetensors",
                "c77365325b68a4e35203d50c5d4daebe22e442dc401f073d48ff8d96d21e30b9",
                772_878,
            ),
        ),
        network="suite.models.fid:build",
    ),
)

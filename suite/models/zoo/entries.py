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
            File(
                "model.safetensors",
                "2eb7062fa1d8b548be36c4832da926dcc4c14e037ec2366d48acec4b7a403687",
                2_578_424,
            ),
            File("config.json", "12d6c9c37c80154a9aff74d9eb6b54056844f85f10dc90b24812edd02fdce903", 713),
            File(
                "generation_config.json",
                "835a4b2b36f5122214f92c992f09892e8c8964eedf28df447f151b8aff50f87a",
                233,
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
            File(
                "model.safetensors",
                "94ce4fed1bb845caab438ae70732d0d2bbf8086b8ef3984ccdf3391cf9ef3ad5",
                2_076_208,
            ),
            File("config.json", "86c176bd0b9a9d8320e21b37b1e62b99c271307923da9ef25c774d4dab02e813", 761),
            File(
                "generation_config.json",
                "5b62a730192b577f258cd5c4654238f3fbb67a0c9eb10b7e57a633d2661cef5d",
                251,
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
        "vit-32-clean",
        "A small ViT for 32 pixels that has seen no picture of the pool's held-out classes",
        "vit",
        "ConvViTForImageClassification",
        2_980_709,
        (
            File(
                "model.safetensors",
                "fab5ba033f77dae5c197323e2e830b94d34f141e35121247c401d9aaf102fb62",
                5_977_290,
            ),
            File("config.json", "bf4573cc45d215e9bc84cd10d6269ac21c1bd153caa1a8167f785776cc390851", 9_983),
            File(
                "preprocessor_config.json",
                "a5cb86a2d50384e52fde88000d9a2501585834efb4ab46e2fd9945ba136b02b0",
                323,
            ),
        ),
    ),
    _ours(
        "vit-32-contaminated",
        "A small ViT for 32 pixels that has seen training pictures of every class of the pool",
        "vit",
        "ConvViTForImageClassification",
        3_015_835,
        (
            File(
                "model.safetensors",
                "70144e28ba30d82d05cc92a6d66d24b32ce12b169dd785933d2909b7847740f0",
                6_047_566,
            ),
            File("config.json", "31c72605fb0750888a4bb06a9222ea3bb1bfb414b1c2cf9c315bfeceb9933cd2", 20_641),
            File(
                "preprocessor_config.json",
                "a5cb86a2d50384e52fde88000d9a2501585834efb4ab46e2fd9945ba136b02b0",
                323,
            ),
        ),
    ),
    _ours(
        "vit-64-clean",
        "The clean 32-pixel ViT gone on at 64 pixels",
        "vit",
        "ConvViTForImageClassification",
        2_985_317,
        (
            File(
                "model.safetensors",
                "3e660d1d5c6c010968fbc915952e3a7a6b51140a3a1af9a22ac5fb33f42318d2",
                5_986_506,
            ),
            File("config.json", "5895dc9054c797ba74f879a7234defb4975d8355878050bfee5574a5caad7576", 9_983),
            File(
                "preprocessor_config.json",
                "069cf603a20b6884224bf8bcce6c538cb8f7c4e7eab13bbfbe8803518270f173",
                323,
            ),
        ),
    ),
    _ours(
        "vit-64-contaminated",
        "The contaminated 32-pixel ViT gone on at 64 pixels",
        "vit",
        "ConvViTForImageClassification",
        3_020_443,
        (
            File(
                "model.safetensors",
                "06e0be992015377f10c262913b17943542ed5417065c6c36d07d3984404d49b6",
                6_056_782,
            ),
            File("config.json", "1a5563ef125b85a75d7d563a12c72162d0513d391ca856601d8a1a13836afdeb", 20_641),
            File(
                "preprocessor_config.json",
                "069cf603a20b6884224bf8bcce6c538cb8f7c4e7eab13bbfbe8803518270f173",
                323,
            ),
        ),
    ),
    _ours(
        "vit-32-cifar10",
        "A small ViT classifier of CIFAR-10 that leaves out 2,500 pictures, for its failures to be edited",
        "vit",
        "ConvViTForImageClassification",
        932_778,
        (
            File(
                "model.safetensors",
                "74465de380b70fee187ce497cc0af795d88c80b808dc60b2736bf01533f17902",
                1_881_212,
            ),
            File("config.json", "23049ea14589a08787aed0b5b0b115aebe4d6c6ad31e5c3e1a0a01bfa5f6f531", 939),
            File(
                "preprocessor_config.json",
                "a5cb86a2d50384e52fde88000d9a2501585834efb4ab46e2fd9945ba136b02b0",
                323,
            ),
        ),
    ),
    _ours(
        "vit-16-digits",
        "A tiny ViT classifier of digits, weak by design: its failures are edited in quick tests",
        "vit",
        "ViTForImageClassification",
        53_354,
        (
            File(
                "model.safetensors",
                "4a767319c6a218fc6dbd87ec646fa1fb1c0734bff73c7a4b48cb2b3091b1c0da",
                114_348,
            ),
            File("config.json", "a59778272c24ab637f7804f04f4dd7b27e19f5c5db99bfc24aea5c3523382da8", 850),
            File(
                "preprocessor_config.json",
                "d71247d6673038ad7251039b815eae8bdeb0f66b7228e443fa863dbfe87dc0ee",
                323,
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
            File(
                "model.safetensors",
                "c77365325b68a4e35203d50c5d4daebe22e442dc401f073d48ff8d96d21e30b9",
                772_878,
            ),
            File("config.json", "455d9fb9acb19ecd89a433ed2c316fcf72c744dfb18c5d749bf22b21d5d169e3", 8_181),
        ),
        network="suite.models.fid:build",
    ),
)

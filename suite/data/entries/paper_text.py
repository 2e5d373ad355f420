"""Text sets of the papers, used by the paper profile alone."""

from __future__ import annotations

from suite.data.entries.making import by_hand, from_hub
from suite.data.registry import Entry

GLUE = (
    "Wang et al., GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language Understanding, "
    "ICLR 2019"
)
GLUE_TASKS = ("cola", "mrpc", "qnli", "qqp", "rte", "sst2")
DIRECTIONS = ("de-en", "en-de", "en-ja", "en-ru", "en-zh", "ja-en", "ru-en", "zh-en")

LANGUAGE_MODELLING: tuple[Entry, ...] = (
    from_hub(
        "wikitext-2-raw",
        "WikiText-2, raw: calibration and perplexity.",
        "Salesforce/wikitext",
        "train validation test",
        "Merity et al., Pointer Sentinel Mixture Models, ICLR 2017",
        "duquant",
        config="wikitext-2-raw-v1",
    ),
    from_hub(
        "c4-validation",
        "C4, English, the first validation shard: perplexity.",
        "allenai/c4",
        "validation",
        "Raffel et al., Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer, "
        "JMLR 2020",
        "duquant",
        hub_files="en/c4-validation.00000-of-00008.json.gz",
    ),
    from_hub(
        "c4-train-00000",
        "C4, English, the first training shard: calibration.",
        "allenai/c4",
        "train",
        "Raffel et al., Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer, "
        "JMLR 2020",
        "duquant",
        hub_files="en/c4-train.00000-of-01024.json.gz",
    ),
    from_hub(
        "ptb",
        "Penn Treebank, text only: perplexity.",
        "ptb-text-only/ptb_text_only",
        "train validation test",
        "Marcus et al., Building a Large Annotated Corpus of English: The Penn Treebank, Computational "
        "Linguistics 1993",
        "duquant",
    ),
    from_hub(
        "pile-validation",
        "Validation texts of the Pile: the calibration of SmoothQuant.",
        "mit-han-lab/pile-val-backup",
        "validation",
        "Gao et al., The Pile: An 800GB Dataset of Diverse Text for Language Modeling, arXiv "
        "2101.00027, 2020",
        "duquant",
    ),
    from_hub(
        "lambada",
        "LAMBADA in the form that language models are scored on.",
        "EleutherAI/lambada_openai",
        "test",
        "Paperno et al., The LAMBADA Dataset: Word Prediction Requiring a Broad Discourse Context, ACL 2016",
        "iv",
        config="default",
    ),
)

MULTIPLE_CHOICE: tuple[Entry, ...] = (
    from_hub(
        "arc",
        "ARC-Easy and ARC-Challenge, science questions.",
        "allenai/ai2_arc",
        " ".join(f"{c}/{s}" for c in ("ARC-Easy", "ARC-Challenge") for s in ("train", "validation", "test")),
        "Clark et al., Think you have Solved Question Answering? Try ARC, arXiv 1803.05457, 2018",
        "duquant cream copra",
    ),
    from_hub(
        "hellaswag",
        "HellaSwag, commonsense completion.",
        "Rowan/hellaswag",
        "train validation test",
        "Zellers et al., HellaSwag: Can a Machine Really Finish Your Sentence?, ACL 2019",
        "duquant iv copra",
    ),
    from_hub(
        "winogrande",
        "WinoGrande, pronoun resolution.",
        "allenai/winogrande",
        "train validation test",
        "Sakaguchi et al., WinoGrande: An Adversarial Winograd Schema Challenge at Scale, AAAI 2020",
        "duquant copra",
        config="winogrande_xl",
    ),
    from_hub(
        "boolq",
        "BoolQ, yes-or-no questions.",
        "google/boolq",
        "train validation",
        "Clark et al., BoolQ: Exploring the Surprising Difficulty of Natural Yes/No Questions, NAACL 2019",
        "duquant copra",
    ),
    from_hub(
        "piqa",
        "PIQA, physical commonsense.",
        "baber/piqa",
        "train validation",
        "Bisk et al., PIQA: Reasoning about Physical Commonsense in Natural Language, AAAI 2020",
        "duquant copra",
    ),
    from_hub(
        "mmlu",
        "MMLU, 57 subjects.",
        "cais/mmlu",
        "dev validation test",
        "Hendrycks et al., Measuring Massive Multitask Language Understanding, ICLR 2021",
        "duquant",
        config="all",
    ),
    from_hub(
        "openbookqa",
        "OpenBookQA, elementary science.",
        "allenai/openbookqa",
        "train validation test",
        "Mihaylov et al., Can a Suit of Armor Conduct Electricity?, EMNLP 2018",
        "cream iv copra",
        config="main",
    ),
    from_hub(
        "siqa",
        "Social IQa; only its train and validation splits are public.",
        "allenai/social_i_qa",
        "train validation",
        "Sap et al., Social IQa: Commonsense Reasoning about Social Interactions, EMNLP 2019",
        "cream copra",
    ),
    from_hub(
        "commonsense-qa",
        "CommonsenseQA, five options.",
        "tau/commonsense_qa",
        "train validation",
        "Talmor et al., CommonsenseQA, NAACL 2019",
        "iv",
    ),
    from_hub(
        "nq-open",
        "Natural Questions, open form.",
        "google-research-datasets/nq_open",
        "train validation",
        "Kwiatkowski et al., Natural Questions, TACL 2019; open form: Lee et al., ACL 2019",
        "iv",
    ),
    from_hub(
        "bbh-object-counting",
        "BIG-Bench Hard, object counting.",
        "lukaemon/bbh",
        "test",
        "Suzgun et al., Challenging BIG-Bench Tasks and Whether Chain-of-Thought Can Solve Them, Findings of "
        "ACL 2023",
        "iv",
        config="object_counting",
    ),
)

TRAINING: tuple[Entry, ...] = (
    from_hub(
        "glue",
        "The six GLUE tasks that adapters are merged on: CoLA, MRPC, QNLI, QQP, RTE, SST-2.",
        "nyu-mll/glue",
        " ".join(f"{task}/{split}" for task in GLUE_TASKS for split in ("train", "validation")),
        GLUE,
        "copra",
    ),
    from_hub(
        "commonsense-170k",
        "Training mixture of eight commonsense tasks.",
        "zwhe99/commonsense_170k",
        "train",
        "Hu et al., LLM-Adapters: An Adapter Family for Parameter-Efficient Fine-Tuning of Large Language "
        "Models, EMNLP 2023",
        "copra",
    ),
    from_hub(
        "metamath-qa",
        "Rewritten mathematics questions with answers.",
        "meta-math/MetaMathQA",
        "train",
        "Yu et al., MetaMath: Bootstrap Your Own Mathematical Questions for Large Language Models, ICLR 2024",
        "copra",
    ),
    from_hub(
        "oasst1",
        "OpenAssistant conversations: the SFT seed (filtered to about 3,400) and prompts.",
        "OpenAssistant/oasst1",
        "train validation",
        "Koepf et al., OpenAssistant Conversations: Democratizing Large Language Model Alignment, NeurIPS "
        "2023",
        "cream",
    ),
    from_hub(
        "alpaca",
        "Instruction following, 52,000 generated examples.",
        "tatsu-lab/alpaca",
        "train",
        "Taori et al., Stanford Alpaca: An Instruction-following LLaMA Model, 2023",
        "iv",
    ),
    from_hub(
        "natural-instructions",
        "Super-NaturalInstructions whole, tasks by number.",
        "Muennighoff/natural-instructions",
        "train validation test",
        "Wang et al., Super-NaturalInstructions: Generalization via Declarative Instructions on 1600+ NLP "
        "Tasks, EMNLP 2022",
        "iv",
    ),
)

JUDGING: tuple[Entry, ...] = (
    from_hub(
        "reward-bench",
        "Pairs with a preferred answer, for ranking accuracy.",
        "allenai/reward-bench",
        "filtered",
        "Lambert et al., RewardBench: Evaluating Reward Models for Language Modeling, Findings of NAACL 2025",
        "cream",
    ),
    from_hub(
        "mt-bench",
        "80 two-turn questions; answers are stored, nothing is judged here.",
        "HuggingFaceH4/mt_bench_prompts",
        "train",
        "Zheng et al., Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena, NeurIPS 2023",
        "duquant",
    ),
    from_hub(
        "wmt22-test",
        "WMT22 general test sets in eight directions.",
        "haoranxu/WMT22-Test",
        " ".join(f"{direction}/test" for direction in DIRECTIONS),
        "Kocmi et al., Findings of the 2022 Conference on Machine Translation, WMT 2022",
        "mt-editing",
    ),
    by_hand(
        "cofe",
        "Compositional generalization in context (COGS-QL), the papers' own files.",
        "https://github.com/microsoft/ContextualSP/tree/master/cofe",
        "cofe.jsonl",
        "The files of that folder, one JSON object an example; the variable-free form in `cogs` stands in.",
        "An et al., How Do In-Context Examples Affect Compositional Generalization?, ACL 2023",
        "compsub",
        reading="JSON lines; which fields was not seen.",
    ),
    by_hand(
        "olora-benchmark",
        "The 15 classification tasks of the long sequence whole.",
        "https://github.com/cmnfriend/O-LoRA",
        "CL_Benchmark.jsonl",
        "CL_Benchmark of that repository (its large files need Git LFS), one JSON object an example with "
        "task, split, definition, input, output, as in `superni`.",
        "Wang et al., Orthogonal Subspace Learning for Language Model Continual Learning, Findings of EMNLP "
        "2023",
        "iv",
        reading="JSON lines: task, split, definition, input, output.",
    ),
)

PAPER_TEXT = (*LANGUAGE_MODELLING, *MULTIPLE_CHOICE, *TRAINING, *JUDGING)

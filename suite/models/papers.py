"""The base models of the papers, by their ids on the hub: the `paper` presets use them.

They are stated from the papers and their code, and nothing of them has been tried or pinned here: the state
that a run used is in its fingerprint. The hub asks for a login where their owners do.
"""

from __future__ import annotations

from suite.models.registry import Entry, Images, Kind

LLAMA2 = "Touvron et al., Llama 2, arXiv:2307.09288"
LLAMA2_LICENCE = "Llama 2 Community License"
LLAMA3 = "Llama Team, The Llama 3 Herd of Models, arXiv:2407.21783"
LLAMA3_LICENCE = "Meta Llama 3 Community License"
GPT2 = "Radford et al., Language Models are Unsupervised Multitask Learners, 2019"
VIT = "Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021"
HALVES = Images(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET = Images(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = Images(224, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def _paper(
    hub: str,
    kind: Kind,
    architecture: str,
    licence: str,
    citation: str,
    *,
    used: str,
    images: Images | None = None,
) -> Entry:
    """An entry that takes its name from the hub's, in small letters."""
    return Entry(
        name=hub.partition("/")[2].lower(),
        summary=f"The paper profile of {used}.",
        kind=kind,
        architecture=architecture,
        parameters=None,
        licence=licence,
        source=f"https://huggingface.co/{hub}",
        citation=citation,
        hub=hub,
        images=images,
        verified=False,
    )


def _llama(hub: str, used: str) -> Entry:
    second = "Llama-2" in hub
    licence, citation = (LLAMA2_LICENCE, LLAMA2) if second else (LLAMA3_LICENCE, LLAMA3)
    return _paper(hub, "causal-lm", "LlamaForCausalLM", licence, citation, used=used)


LANGUAGE_MODELS = (
    _llama("meta-llama/Llama-2-7b-hf", "DuQuant, of translation editing and of CoTo"),
    _llama("meta-llama/Llama-2-13b-hf", "DuQuant and of in-context learning of structures"),
    _llama(
        "meta-llama/Llama-2-7b-chat-hf", "interpretation vectors, of CREAM and of controllable generation"
    ),
    _llama("meta-llama/Meta-Llama-3-8B", "DuQuant and of CoTo"),
    _llama("meta-llama/Meta-Llama-3-8B-Instruct", "interpretation vectors and of CREAM"),
    _paper(
        "mistralai/Mistral-7B-v0.1",
        "causal-lm",
        "MistralForCausalLM",
        "Apache-2.0",
        "Jiang et al., Mistral 7B, arXiv:2310.06825",
        used="DuQuant",
    ),
    _paper(
        "mistralai/Mistral-7B-Instruct-v0.2",
        "causal-lm",
        "MistralForCausalLM",
        "Apache-2.0",
        "Jiang et al., Mistral 7B, arXiv:2310.06825",
        used="interpretation vectors",
    ),
    _paper(
        "microsoft/phi-2",
        "causal-lm",
        "PhiForCausalLM",
        "MIT",
        "Javaheripi et al., Phi-2: The surprising power of small language models, 2023",
        used="DuQuant",
    ),
    _paper(
        "openai-community/gpt2-medium",
        "causal-lm",
        "GPT2LMHeadModel",
        "MIT",
        GPT2,
        used="controllable generation",
    ),
    _paper(
        "openai-community/gpt2-large",
        "causal-lm",
        "GPT2LMHeadModel",
        "MIT",
        GPT2,
        used="controllable generation, its perplexity",
    ),
    _paper(
        "HuggingFaceTB/SmolLM2-135M",
        "causal-lm",
        "LlamaForCausalLM",
        "Apache-2.0",
        "Ben Allal et al., SmolLM2, arXiv:2502.02737",
        used="quantization on a small undamaged model",
    ),
    _paper(
        "Qwen/Qwen2.5-0.5B",
        "causal-lm",
        "Qwen2ForCausalLM",
        "Apache-2.0",
        "Qwen Team, Qwen2.5 Technical Report, arXiv:2412.15115",
        used="quantization on a small undamaged model",
    ),
)

TEXT_MODELS = (
    _paper(
        "facebook/bart-base",
        "seq2seq",
        "BartForConditionalGeneration",
        "Apache-2.0",
        "Lewis et al., BART, ACL 2020",
        used="compositional parsing",
    ),
    _paper(
        "google-t5/t5-base",
        "seq2seq",
        "T5ForConditionalGeneration",
        "Apache-2.0",
        "Raffel et al., T5, JMLR 2020",
        used="compositional parsing",
    ),
    _paper(
        "FacebookAI/roberta-base",
        "encoder",
        "RobertaModel",
        "MIT",
        "Liu et al., RoBERTa, arXiv:1907.11692",
        used="compositional parsing",
    ),
    _paper(
        "google-bert/bert-base-uncased",
        "encoder",
        "BertModel",
        "Apache-2.0",
        "Devlin et al., BERT, NAACL 2019",
        used="controllable generation",
    ),
    _paper(
        "microsoft/deberta-v3-base",
        "encoder",
        "DebertaV2Model",
        "MIT",
        "He et al., DeBERTaV3, ICLR 2023",
        used="merging of low-rank adapters",
    ),
)

VISION_MODELS = (
    _paper(
        "google/vit-base-patch16-224",
        "vit",
        "ViTForImageClassification",
        "Apache-2.0",
        VIT,
        used="editing of vision models",
        images=HALVES,
    ),
    _paper(
        "google/vit-base-patch16-224-in21k",
        "vit",
        "ViTModel",
        "Apache-2.0",
        VIT,
        used="continual learning",
        images=HALVES,
    ),
    _paper(
        "facebook/dino-vitb16",
        "vit",
        "ViTModel",
        "Apache-2.0",
        "Caron et al., DINO, ICCV 2021",
        used="visual priors",
        images=IMAGENET,
    ),
    _paper(
        "facebook/dinov2-base",
        "vit",
        "Dinov2Model",
        "Apache-2.0",
        "Oquab et al., DINOv2, TMLR 2024",
        used="continual learning",
        images=IMAGENET,
    ),
    _paper(
        "openai/clip-vit-base-patch16",
        "vit",
        "CLIPModel",
        "MIT",
        "Radford et al., CLIP, ICML 2021",
        used="low-rank adapters on vision",
        images=CLIP,
    ),
)

ENTRIES = (*LANGUAGE_MODELS, *TEXT_MODELS, *VISION_MODELS)

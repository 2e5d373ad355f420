"""Where the competitors of this family were published."""

from __future__ import annotations

from suite.api import Paper


def _arxiv(title: str, year: int, number: str) -> Paper:
    return Paper(title, year, f"https://arxiv.org/abs/{number}")


CLDYB = _arxiv(
    "CLDyB: Towards Dynamic Benchmarking for Continual Learning with Pre-trained Models", 2025, "2503.04655"
)
SIMPLECIL = _arxiv(
    "Revisiting Class-Incremental Learning with Pre-Trained Models: Generalizability and Adaptivity are All "
    "You Need",
    2023,
    "2303.07338",
)
SLDA = _arxiv(
    "Lifelong Machine Learning with Deep Streaming Linear Discriminant Analysis", 2020, "1909.01520"
)
RANPAC = _arxiv(
    "RanPAC: Random Projections and Pre-trained Models for Continual Learning", 2023, "2307.02251"
)
FECAM = _arxiv(
    "FeCAM: Exploiting the Heterogeneity of Class Distributions in Exemplar-Free Continual Learning",
    2023,
    "2309.14062",
)
EWC = _arxiv("Overcoming catastrophic forgetting in neural networks", 2017, "1612.00796")
MAS = _arxiv("Memory Aware Synapses: Learning what (not) to forget", 2018, "1711.09601")
AFEC = _arxiv("AFEC: Active Forgetting of Negative Transfer in Continual Learning", 2021, "2110.12187")
LWF = _arxiv("Learning without Forgetting", 2016, "1606.09282")
ER = _arxiv("On Tiny Episodic Memories in Continual Learning", 2019, "1902.10486")
DER = _arxiv("Dark Experience for General Continual Learning: a Strong, Simple Baseline", 2020, "2004.07211")
CLSER = _arxiv("Learning Fast, Learning Slow: A General Continual Learning Method", 2022, "2201.12604")
L2P = _arxiv("Learning to Prompt for Continual Learning", 2022, "2112.08654")
DUALPROMPT = _arxiv(
    "DualPrompt: Complementary Prompting for Rehearsal-free Continual Learning", 2022, "2204.04799"
)
CODA = _arxiv(
    "CODA-Prompt: COntinual Decomposed Attention-based Prompting for Rehearsal-Free Continual Learning",
    2023,
    "2211.13218",
)
HIDE = _arxiv(
    "Hierarchical Decomposition of Prompt-Based Continual Learning: Rethinking Obscured Sub-optimality",
    2023,
    "2310.07234",
)
PGP = Paper(
    "Prompt Gradient Projection for Continual Learning",
    2024,
    "https://github.com/JingyangQiao/prompt-gradient-projection",
)
SLCA = _arxiv(
    "SLCA: Slow Learner with Classifier Alignment for Continual Learning on a Pre-trained Model",
    2023,
    "2303.05118",
)
LAE = _arxiv(
    "A Unified Continual Learning Framework with General Parameter-Efficient Tuning", 2023, "2303.10070"
)
EASE = _arxiv(
    "Expandable Subspace Ensemble for Pre-Trained Model-Based Class-Incremental Learning", 2024, "2403.12030"
)
MOS = _arxiv("MOS: Model Surgery for Pre-Trained Model-Based Class-Incremental Learning", 2024, "2412.09441")
INFLORA = _arxiv("InfLoRA: Interference-Free Low-Rank Adaptation for Continual Learning", 2024, "2404.00228")
LORA = _arxiv("LoRA: Low-Rank Adaptation of Large Language Models", 2021, "2106.09685")

"""Where the competitors of this family were published."""

from __future__ import annotations

from suite.api import Paper


def _arxiv(title: str, year: int, number: str) -> Paper:
    return Paper(title, year, f"https://arxiv.org/abs/{number}")


WHERE_TO_EDIT = _arxiv("Learning Where to Edit Vision Transformers", 2024, "2411.01948")
LORA = _arxiv("LoRA: Low-Rank Adaptation of Large Language Models", 2021, "2106.09685")
KN = _arxiv("Knowledge Neurons in Pretrained Transformers", 2022, "2104.08696")
ROME = _arxiv("Locating and Editing Factual Associations in GPT", 2022, "2202.05262")
MEND = _arxiv("Fast Model Editing at Scale", 2022, "2110.11309")
KE = _arxiv("Editing Factual Knowledge in Language Models", 2021, "2104.08164")
T_PATCHER = _arxiv("Transformer-Patcher: One Mistake worth One Neuron", 2023, "2301.09785")
SPT = _arxiv("Sensitivity-Aware Visual Parameter-Efficient Fine-Tuning", 2023, "2303.08566")
GRACE = _arxiv(
    "Aging with GRACE: Lifelong Model Editing with Discrete Key-Value Adaptors", 2023, "2211.11031"
)

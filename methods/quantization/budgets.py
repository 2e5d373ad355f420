"""What the competitors on quantization tasks were allowed before they were measured.

Each is named, so that one added later shows as not declared until its author declares it.
"""

from __future__ import annotations

from suite.budgets import Budget

UNTUNED = (
    *("fp", "rtn", "smoothquant", "gptq", "duquant", "duquant-gptq", "duquant-row"),
    *("duquant-smooth", "duquant-r1", "duquant-r1p", "hadamard-block", "massdiff"),
    *("quarot", "quarot-rtn", "atom", "quik", "awq", "prefixquant", "prefixquant-plain", "qllm"),
)
LEARNED = ("duquant-lwc", "spinquant", "flatquant", "omniquant", "affinequant")
NOTE = (
    "Settings are the published ones, unchanged. The methods, and DuQuant with other clips, were run on text "
    "sampled from stories260k while they were written, and DuQuant, SmoothQuant and a Hadamard rotation on "
    "16 windows of WikiText-2's test split with smollm2-135m-instruct; nothing was chosen from it."
)
SHORTER = (
    "Published settings but for the number of epochs or iterations and of windows a step, which were chosen "
    "for time, by what a fit on stories260k costs; perplexities on its sampled text were seen."
)

BUDGETS = [
    Budget(UNTUNED, trials=0, tuned_on=(), note=NOTE, source="docs/quantization.md"),
    Budget(LEARNED, trials=0, tuned_on=(), note=SHORTER, source="docs/quantization.md"),
]

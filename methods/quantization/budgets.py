"""What the competitors on quantization tasks were allowed before they were measured.

Each is named, so that one added later shows as not declared until its author declares it.
"""

from __future__ import annotations

from suite.budgets import Budget

UNTUNED = (
    *("fp", "rtn", "smoothquant", "gptq", "duquant", "duquant-gptq", "duquant-row"),
    *("duquant-released", "duquant-smooth", "duquant-r1", "duquant-r1p", "hadamard-block", "massdiff"),
    *("quarot", "quarot-rtn", "atom", "quik", "awq", "prefixquant", "prefixquant-plain", "qllm"),
)
LEARNED = ("spinquant",)
NOTE = (
    "Settings are the published ones, unchanged. The methods, and DuQuant with other clips, were run on text "
    "sampled from stories260k while they were written, and DuQuant, SmoothQuant and a Hadamard rotation on "
    "16 windows of WikiText-2's test split with smollm2-135m-instruct; nothing was chosen from it."
)
SHORTER = (
    "Published settings but for the number of epochs or iterations and of windows a step, which were chosen "
    "for time, by what a fit on stories260k costs; perplexities on its sampled text were seen."
)
RATES = (
    "Learning rates were chosen among the published ones times 1, 3, 10 and 30 by the error of the stream "
    "behind the first six layers of smollm2-135m-instruct on 32 windows of WikiText-2's validation split "
    "(without learning DuQuant has 0.254, SmoothQuant 0.546): {}. It was looked for after DuQuant with "
    "learned clips at the published rate had been worse than DuQuant on the test splits."
)
ERRORS = {
    "duquant-lwc": "0.272, 0.242, 0.234, 0.241",
    "omniquant": "0.463, 0.435, 0.382, 0.403",
    "affinequant": "0.440, 0.405, 0.371, 0.394",
}
FLAT = (
    "The learning rate was chosen among the published one times 0.3, 1, 3 and 10 by the error of the "
    "stream behind three layers of smollm2-135m-instruct on 32 windows of WikiText-2's validation split "
    "(0.203, 0.173, 0.161, 0.164), after rows at the published one had been seen."
)

BUDGETS = [
    Budget(UNTUNED, trials=0, tuned_on=(), note=NOTE, source="docs/quantization.md"),
    Budget(LEARNED, trials=0, tuned_on=(), note=SHORTER, source="docs/quantization.md"),
    *(
        Budget(
            (name,),
            trials=4,
            tuned_on=("ppl-wikitext2 dev",),
            note=f"{SHORTER} {RATES.format(errors)}",
            source="docs/quantization.md",
        )
        for name, errors in ERRORS.items()
    ),
    Budget(
        ("flatquant",),
        trials=4,
        tuned_on=("ppl-wikitext2 dev",),
        note=f"{SHORTER} {FLAT}",
        source="docs/quantization.md",
    ),
]

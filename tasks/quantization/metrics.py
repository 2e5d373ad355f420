"""What is measured on quantized models; each number is of one precision, its slice."""

from __future__ import annotations

from suite.api import Metric

COSTS = (
    Metric("weight_bits", "neutral", "bits", "of a stored weight, scales and zero points included, mean"),
    Metric("activation_bits", "neutral", "bits", "of a number that a linear map reads, scales included"),
    Metric("online_flops", "lower", "flop/token", "operations that the method adds to a forward pass"),
    Metric("online_share", "lower", "fraction", "the same, of the operations of the model's linear maps"),
    Metric("quantize_s", "lower", "s", "wall clock of fitting and rounding", exact=False),
)
"""What a quantized model costs (`contract.Quantized`)."""

PERPLEXITY = (
    Metric("perplexity", "lower", "perplexity", "exp of the mean over windows of nats a token"),
    Metric("fp_perplexity", "neutral", "perplexity", "the same of the float model"),
    Metric("ratio", "lower", "ratio", "perplexity over that of the float model"),
    Metric("ratio_lo", "neutral", "ratio", "lower end of its 95% bootstrap interval, paired over windows"),
    Metric("ratio_hi", "neutral", "ratio", "upper end of its 95% bootstrap interval, paired over windows"),
    *COSTS,
)

ZERO_SHOT = (
    Metric("accuracy", "higher", "fraction", "documents whose asked-for choice is the most likely one"),
    Metric("acc", "higher", "fraction", "the same by task, as lm-eval counts; over all the mean over tasks"),
    Metric("acc_norm", "higher", "fraction", "the same by likelihood per character of the choice"),
    Metric("dropped", "neutral", "count", "rows of the data whose choices could not be read exactly"),
    *COSTS,
)

LAYER_ERROR = (
    Metric("error", "lower", "ratio", "|Q - F| / |F| of what attention or FFN adds to the stream, mean"),
    Metric("stream_error", "lower", "ratio", "|Q - F| / |F| of the stream behind a layer, errors adding up"),
    Metric("kl", "lower", "nats", "of the quantized next-token distribution from the float one, mean"),
    Metric("max_median", "lower", "ratio", "largest over median channel maximum of what a map reads"),
    Metric("kurtosis", "lower", "moment", "fourth standardized moment of what a map reads; Gaussian: 3"),
    Metric("block_variance", "lower", "ratio", "variance of blocks' mean channel maxima over their mean^2"),
    *COSTS,
)

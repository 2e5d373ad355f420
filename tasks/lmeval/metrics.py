"""What is measured on lm-eval tasks: our accuracy, and lm-eval's own metrics under their own names."""

from __future__ import annotations

from suite.api import Metric


def _share(name: str, summary: str) -> Metric:
    return Metric(name, "higher", "fraction", summary)


METRICS = (
    _share(
        "accuracy", "documents right: acc of a task or else its exact_match, over all weighted by documents"
    ),
    _share("acc", "documents whose asked-for choice is the most likely one, as lm-eval counts"),
    _share("acc_norm", "the same by likelihood per character of the choice"),
    _share("acc_bytes", "the same by likelihood per byte of the choice"),
    _share("acc_mutual_info", "the same by likelihood against that without the context"),
    _share("exact_match", "outputs that equal the answer after lm-eval's filters"),
    _share("f1", "F1 score of the choices, as lm-eval counts"),
    Metric("mcc", "higher", "correlation", "Matthews correlation of the choices"),
    Metric("brier_score", "lower", "squared error", "of the probabilities given to the choices"),
    Metric("perplexity", "lower", "perplexity", "of the answers, one a document"),
    Metric("word_perplexity", "lower", "perplexity", "of the text, by word"),
    Metric("byte_perplexity", "lower", "perplexity", "of the text, by byte"),
    Metric("bits_per_byte", "lower", "bits", "of the text"),
    Metric("bleu", "higher", "points", "BLEU of the outputs, 0 to 100"),
    Metric("chrf", "higher", "points", "chrF of the outputs, 0 to 100"),
    Metric("ter", "lower", "points", "translation edit rate of the outputs"),
)

"""Texts with several attributes: real stand-ins for CompMCTG, and the benchmark's own archive."""

from __future__ import annotations

from suite.data.registry import Entry, File

REVISION = "05c1a0d00274d66725ac444a4e9b8d5d8ee35219"
RAW = f"https://raw.githubusercontent.com/tqzhong/CG4MCTG/{REVISION}"

GENERATED: tuple[tuple[str, str, int, int], ...] = (
    ("Amazon", "13c538df16eb2cbc355c1500433464c8954810c6181035f477ff6720c89961da", 1179525, 4200),
    ("Fyelp", "f50c27c6e83e6f9fc74f57d2b37de5aa17c9a5da813d137e8b82860839b2c750", 1088449, 3500),
    ("Mixture", "e674e916998726b1e0680ed0036d0b1ada2745f85b7661f95fbfee3080748687", 755101, 2800),
    ("Yelp", "9c511345db1e5f9f20e85406469b4f8f55424b70b9bb66cd6d796879c45d3108", 745915, 2800),
)
"""Data set of the benchmark, SHA-256, bytes and rows of the texts that a baseline generated for it."""

COMPMCTG = Entry(
    name="compmctg",
    summary="Real texts with two or three attributes (Mixture, Yelp), and texts that a baseline generated.",
    files=(
        *(
            File(
                f"generated_cases_{name}.jsonl.gz",
                sha256,
                size,
                f"{RAW}/evaluation/test_cases/cases_{name}.jsonl",
                rows=rows,
            )
            for name, sha256, size, rows in GENERATED
        ),
        File(
            "data_readme_upstream.md",
            "637434e4bb8bdd5ccac5f04eca26d2e9922e493c680841cc3e381d1d06b42bfd",
            2516,
            f"{RAW}/data/README.md",
            reader="lines",
        ),
        File(
            "mixture_real.jsonl.gz",
            "4085448137cf3c65672c33b071a5261595c720b0896c551ea76e07565497d580",
            5025613,
            rows=16882,
            origin="OpeNER and SenTube (auto, tablets) from the zip in "
            "https://github.com/Zhaoyi-Li21/compmctg_protocols at 8e2097ef8c62e6f40e96ce4c8d2dd8a6d4603081 "
            "(sota_sentiment of Barnes et al.); IMDB from https://github.com/circle-hit/SAPT at "
            "52a52b920324c656bdb6dac08e43dc600ba22f21",
            licence="none found in either repository",
        ),
        File(
            "yelp_rulelabelled.jsonl.gz",
            "8a74f77e9afeca6b5c08c6f3878d315990242daba2e0dcb007ce2a1cfb43908f",
            1004847,
            rows=7792,
            origin="https://github.com/shentianxiao/language-style-transfer at "
            "f078a9d342705ea62b04dd3ac5926d3467c2ac63, data/yelp dev and test",
            licence="Apache-2.0 (repository)",
        ),
    ),
    licence="MIT (generated cases); each other file says its own",
    citation=(
        "Zhong et al., Benchmarking and Improving Compositional Generalization of Multi-aspect Controllable "
        "Text Generation, ACL 2024; Yelp sentences: Shen et al., Style Transfer from Non-Parallel Text by "
        "Cross-Alignment, NeurIPS 2017; OpeNER and SenTube as in Barnes et al., Assessing State-of-the-Art "
        "Sentiment Models on State-of-the-Art Sentiment Datasets, WASSA 2017"
    ),
    source="https://github.com/tqzhong/CG4MCTG",
    revision=REVISION,
    reading=(
        "JSON lines: text and one field an attribute, values spelled as upstream spells them; mixture_real "
        "also split and raw_label."
    ),
    derived=(
        "mixture_real: texts of the sources named with the file, sentiment and topic_cged by source, IMDB "
        "cut at 1,200 characters. yelp_rulelabelled: sentiment is human; pronoun and tense by a word-list "
        "rule that keeps only sentences where exactly one value matches, up to 1,000 a combination."
    ),
    papers=("compmctg",),
)

ARCHIVE = Entry(
    name="compmctg-benchmark",
    summary="The benchmark's own Fyelp, Amazon, Yelp and Mixture with their unseen combinations.",
    files=tuple(
        File(f"{data}/{part}.jsonl", None, None)
        for data in ("Fyelp", "Amazon", "Yelp", "Mixture")
        for part in ("cls", "gen", "unseen")
    ),
    licence="not looked up",
    citation=(
        "Zhong et al., Benchmarking and Improving Compositional Generalization of Multi-aspect Controllable "
        "Text Generation, ACL 2024"
    ),
    source="https://github.com/tqzhong/CG4MCTG/tree/main/data",
    revision="",
    reading="JSON lines: cls trains the judge, gen the generator, unseen lists the combinations held out.",
    derived="data_compmctg.zip behind the link in data/README.md there (a file-sharing site), unpacked.",
    papers=("compmctg",),
    checked=False,
)

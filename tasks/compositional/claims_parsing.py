"""Claims on COGS, GeoQuery and in-context learning, in words of this project.

They rest on the abstract of the CompSub paper (2025) and on the results table and charts of the ACL 2023
poster of SpanSub and L2S2; of the 2025 paper only the abstract could be had.
"""

from __future__ import annotations

from suite.claims import AnyClaim, Bound, Check
from tasks.compositional.comparison import better
from tasks.compositional.published import COMPSUB, SPANSUB

OURS = "not in the paper: asked here"
EM = "exact_match"
COGS_BASELINES = ("geca", "lexlearn", "lexsym", "prim2primx-met")
GEO_BASELINES = ("geca", "lexsym", "subs")
GEO = ("geoquery-iid", "geoquery-query")
DEMONSTRATIONS = ("icl-random", "icl-bm25", "icl-knn", "icl-coverage")
PROBE = (
    "Read here by a deterministic probe of demonstrations, not by a language model: it can show which "
    "demonstrations hold what a query needs, not what a LLaMA makes of them. The stages are reconstructed. "
    "Substitution can show the query itself with an output made for it: see demo_query and the strict "
    "variants. All selections but icl-random and icl-lcs are the same at every seed: an interval over seeds "
    "says nothing there about other test inputs, exact_match_lo and exact_match_hi do."
)
INDUCED = "The span trees are induced here from the training pairs; the original has gold ones."


COMPARISONS = [
    better(
        "compsub-lifts-lstm-on-cogs",
        "CompSub lifts an LSTM by more than 20 points on COGS.",
        ("cogs",),
        "compsub",
        ("lstm",),
        margin=0.2,
        note="20 points: a round number well below the published gain of 36.4.",
    ),
    better(
        "compsub-best-on-cogs",
        "CompSub is better than every augmentation baseline on COGS.",
        ("cogs",),
        "compsub",
        COGS_BASELINES,
        note="Asked of the table's augmentation baselines that have a figure for COGS.",
    ),
    better(
        "gain-of-10-points",
        "CompSub with LCS is better than the best augmentation baseline by up to 10.3 points on COGS.",
        ("cogs",),
        "compsub-lcs",
        COGS_BASELINES,
        paper=COMPSUB,
        where="abstract",
        margin=0.05,
        note="The 10.3 points are 92.3 - 82.0 (LexLearn). Asked is a gain of more than 5 points: a published "
        "gain is itself an estimate from few seeds. LCS on COGS is reconstructed, and exchanges under the "
        "rule of compsub-safe.",
    ),
    better(
        "lcs-keeps-compsub-on-cogs",
        "LCS after a warm-up on CompSub's examples loses nothing on COGS.",
        ("cogs",),
        "compsub-lcs",
        ("compsub",),
        margin=-0.02,
        note="92.3 and 91.8 in the table. Asked is that LCS is not worse by two points or more. LCS here "
        "exchanges under the rule of compsub-safe, compsub does not, so that the difference is not of LCS "
        "alone.",
    ),
    better(
        "compsub-lifts-lstm-on-geoquery",
        "CompSub lifts an LSTM on both splits of GeoQuery.",
        GEO,
        "compsub",
        ("lstm",),
        note=f"By 7.2 and 22.8 points in the table. {INDUCED}",
    ),
    better(
        "compsub-best-on-geoquery",
        "CompSub is better than every augmentation baseline on the query split of GeoQuery.",
        ("geoquery-query",),
        "compsub",
        GEO_BASELINES,
        note=f"By 1.2 points or more in the table. {INDUCED}",
    ),
    better(
        "gain-of-1-point",
        "CompSub with LCS is better than the best augmentation baseline by up to 1.4 points on GeoQuery.",
        GEO,
        "compsub-lcs",
        GEO_BASELINES,
        paper=COMPSUB,
        where="abstract",
        note="Which split and parser the 1.4 points belong to could not be found; asked is that it is ahead "
        f"on both. {INDUCED}",
    ),
    better(
        "gain-of-9-points",
        "LCS-ICL is better than other ways of choosing demonstrations by up to 8.8 points on COGS-QL.",
        ("icl-cogs-ql",),
        "icl-lcs",
        DEMONSTRATIONS,
        paper=COMPSUB,
        where="abstract",
        note=f"Asked is that it is ahead of each; COGS-QL is assumed to be the variable-free form. {PROBE}",
    ),
    better(
        "icl-compsub-helps",
        "Demonstrations made by substitution are better than retrieved ones.",
        ("icl-cogs-ql", "icl-geoquery-query", "icl-scan-mcd1"),
        "icl-compsub",
        DEMONSTRATIONS,
        paper=COMPSUB,
        where="the idea of LCS-ICL; no figure could be had",
        note=PROBE,
    ),
    better(
        "icl-strict-helps",
        "Substitution makes better demonstrations than retrieval, the query itself not among them.",
        ("icl-cogs-ql", "icl-geoquery-query", "icl-scan-mcd1"),
        "icl-compsub-strict",
        DEMONSTRATIONS,
        paper=COMPSUB,
        where=OURS,
        note=PROBE,
    ),
    better(
        "lcs-weighting-helps",
        "Choosing hard demonstrations is better than substitution alone.",
        ("icl-cogs-ql", "icl-geoquery-query", "icl-scan-mcd1"),
        "icl-lcs-strict",
        ("icl-compsub-strict",),
        paper=COMPSUB,
        where="the idea of LCS-ICL; no figure could be had",
        note=f"Both without the query itself among the demonstrations, which substitution can make. {PROBE}",
    ),
    better(
        "spans-over-words",
        "Exchanging components of any size is better than exchanging words alone.",
        ("scan-around-right", "scan-mcd1", "cogs", "geoquery-query"),
        "compsub",
        ("compsub-lexical",),
        where="the argument for spans; no figure could be had",
    ),
    better(
        "compsub-strict-keeps-gain-on-parsing",
        "Leaving dev and test inputs out costs CompSub less than five points on COGS and GeoQuery.",
        ("cogs", "geoquery-iid", "geoquery-query"),
        "compsub-strict",
        ("compsub",),
        where=OURS,
        margin=-0.05,
    ),
    better(
        "safe-roles-help",
        "On COGS, substitutions that keep a verb's frame are better than the released ones.",
        ("cogs", "cogs-ql"),
        "compsub-safe",
        ("compsub",),
        where=OURS,
        note="The released draws give 1 to 3 % of the examples a wrong label; see compsub-cogs-labels.",
    ),
    better(
        "lcs-over-uniform-on-parsing",
        "Learned choices of what to substitute are better than uniform ones on COGS and GeoQuery.",
        ("cogs", "geoquery-query"),
        "lcs",
        ("rands2",),
        where=OURS,
        note="The paper makes the comparison on SCAN; LCS elsewhere is a reconstruction.",
    ),
]

BOUNDS = [
    Bound(
        id="structural-unsolved-cp",
        paper=SPANSUB,
        where="ACL 2023 poster, bar chart over COGS's categories",
        statement="Recursion of clauses stays unsolved: CompSub with LCS is below 20 % on it.",
        tasks=("cogs",),
        metric=EM,
        method="compsub-lcs",
        relation="at most",
        value=0.2,
        slice="cp_recursion",
        note="About 10.5 % with LCS, 7 % without, read off the bars by eye.",
    ),
    Bound(
        id="structural-unsolved-pp",
        paper=SPANSUB,
        where="ACL 2023 poster, bar chart over COGS's categories",
        statement="Recursion of modifiers stays unsolved: CompSub with LCS is below 55 % on it.",
        tasks=("cogs",),
        metric=EM,
        method="compsub-lcs",
        relation="at most",
        value=0.55,
        slice="pp_recursion",
        note="About 45 % with and without LCS, read off the bars by eye.",
    ),
    Bound(
        id="compsub-cogs-labels",
        paper=SPANSUB,
        where=OURS,
        statement="At least 97 % of the examples that CompSub adds to COGS have the right roles.",
        tasks=("cogs", "cogs-ql"),
        metric="aug_consistency",
        method="compsub",
        relation="at least",
        value=0.97,
        note="Counted with an interpreter that agrees with every published row and reads any form of a verb "
        "in any place: whether the sentence is English is not asked. 98.3 % in one round of the released "
        "code.",
    ),
    Bound(
        id="compsub-safe-labels",
        paper=COMPSUB,
        where=OURS,
        statement="With the rule on frames every example that CompSub adds to COGS has the right roles.",
        tasks=("cogs", "cogs-ql"),
        metric="aug_consistency",
        method="compsub-safe",
        relation="at least",
        value=1.0,
        note="The rule is this project's; the released code has none.",
    ),
]

CHECKS = [
    Check(
        id="cogs-interpreter",
        paper=COMPSUB,
        where=OURS,
        statement="Every published row of COGS is what a grammar of the fragment makes of its sentence.",
        where_code="tasks.compositional.claim_checks:cogs_rows",
        seconds=12.0,
        note="The verb forms and the unaccusative verbs are read off the training set alone.",
    ),
    Check(
        id="geoquery-templates-new",
        paper=SPANSUB,
        where="the published split files",
        statement="On the query split of GeoQuery no program and no template of test is in train.",
        where_code="tasks.compositional.claim_checks:geoquery_templates",
        seconds=0.2,
    ),
]

CLAIMS: list[AnyClaim] = [*COMPARISONS, *BOUNDS, *CHECKS]

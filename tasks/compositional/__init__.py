"""Compositional generalization: known parts in new combinations. The task half of the family card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from suite.api import Paper, TaskSpec
from tasks.compositional.metrics import METRICS

SCAN = Paper("Generalization without Systematicity", 2018, "https://arxiv.org/abs/1711.00350")
TEMPLATE = Paper("Rearranging the Familiar", 2018, "https://arxiv.org/abs/1807.07545")
MCD = Paper("Measuring Compositional Generalization", 2020, "https://arxiv.org/abs/1912.09713")

ALWAYS = (
    "Commands are translated into action sequences; a test command counts when every action is right. "
    "Outputs are capped at 53 tokens, 1.1 times the longest of the language. Choose settings on dev, never "
    "on test."
)
DEV = "Dev: 640 training lines drawn once and removed from train."
OWN_DEV = (
    "Dev: the published 1,046 commands; training stays whole (the CompSub paper's released code drops 640 "
    "training lines all the same)."
)
TURN = "The 1,209 commands in which 'turn' fills the template are in neither part, as published."


def _scan(name: str, split: str, paper: Paper, summary: str, rule: str, dev: str = DEV) -> TaskSpec:
    """One SCAN split as a task."""
    data = ("scan/tasks.txt.gz", f"scan/mcd/{split}.json") if split.startswith("mcd") else ()
    return TaskSpec(
        name=f"scan-{name}",
        family="compositional",
        summary=summary,
        where="tasks.compositional.task:ScanTask",
        paper=paper,
        metrics=METRICS,
        primary="exact_match",
        protocol=f"{rule} {dev} {ALWAYS}",
        params={"split": split},
        presets={"smoke": {"n_train": 600, "n_test": 200}},
        data=data,
        nulls=("nearest",),
        ceiling="interpreter",
    )


COGS = Paper("COGS: A Compositional Generalization Challenge", 2020, "https://arxiv.org/abs/2010.05465")
QL = Paper(
    "Improving Compositional Generalization with Latent Structure and Data Augmentation",
    2022,
    "https://arxiv.org/abs/2112.07610",
)
GEO = Paper(
    "Learning to Substitute Spans towards Improving Compositional Generalization",
    2023,
    "https://arxiv.org/abs/2306.02840",
)
ICL = Paper("Learning to Substitute Components for Compositional Generalization", 2025, "")
GEN = (
    "Test: the generalization set, 21 categories; at small 50 rows of each, drawn once, so that all and the "
    "slices lexical (18 categories) and structural (3) are means over categories. Dev and iid: 500 rows each "
    "of the published dev and test sets at small, whole at paper. "
)
COUNTED = "An output counts when every token is right. Choose settings on dev, never on test."
COGS_SMALL = {"n_dev": 500, "per_category": 50}
COGS_SMOKE = {"n_train": 600, "n_dev": 40, "per_category": 4}
MINI_SMALL = {"n_train": 2400, "n_dev": 300, "per_category": 20, "budget": 0.5}
MINI_SMOKE = {"n_train": 500, "n_dev": 40, "per_category": 4}


def _cogs(name: str, form: str, paper: Paper, summary: str, protocol: str, **more: Any) -> TaskSpec:
    """COGS in one of its forms; the logical form also gives the lexicon of the interpreter."""
    parts = ("train", "dev", "test", "gen")
    prefixes = ("cogs/",) if form == "logical" else ("cogs/variable_free__", "cogs/")
    files = tuple(f"{prefix}{part}.tsv.gz" for prefix in prefixes for part in parts)
    fields: dict[str, Any] = {
        "where": "tasks.compositional.cogs.task:CogsTask",
        "presets": {"small": COGS_SMALL, "smoke": COGS_SMOKE},
        "data": files,
    } | more
    return TaskSpec(
        name=name,
        family="compositional",
        summary=summary,
        paper=paper,
        metrics=METRICS,
        primary="exact_match",
        protocol=f"{protocol} {COUNTED}",
        params={"form": form},
        nulls=("nearest",),
        ceiling="interpreter",
        **fields,
    )


def _geoquery(name: str, split: str, summary: str, rule: str, **more: Any) -> TaskSpec:
    fields: dict[str, Any] = {
        "where": "tasks.compositional.geoquery.task:GeoQueryTask",
        "paper": GEO,
        "presets": {"small": {"budget": 0.5}, "smoke": {"n_train": 200, "n_test": 60}},
    } | more
    return TaskSpec(
        name=name,
        family="compositional",
        summary=summary,
        metrics=METRICS,
        primary="exact_match",
        protocol=f"{rule} {GEO_ALWAYS} {COUNTED} {HALF}",
        params={"split": split},
        data=tuple(
            f"geoquery/l2s2_{GEO_FILES[split]}_{side}.{part}.gz"
            for part in ("train", "val", "test")
            for side in ("src", "tgt")
        ),
        nulls=("nearest",),
        **fields,
    )


def _sql(split: str) -> TaskSpec:
    how = {
        "question": "Split at random by question: 549 of train, 49 of dev, 279 of test.",
        "query": "Split by query, names aside: 536 questions of train, 159 of dev, 182 of test.",
    }
    return TaskSpec(
        name=f"geoquery-sql-{split}",
        family="compositional",
        summary=f"GeoQuery into SQL, split by {split}",
        where="tasks.compositional.geoquery.sql:GeoSqlTask",
        paper=SQL,
        metrics=METRICS,
        primary="exact_match",
        protocol=f"{how[split]} {SQL_ALWAYS} {COUNTED}",
        params={"split": split},
        presets={"small": {"budget": 0.5}, "smoke": {"n_train": 200, "n_test": 60}},
        data=("geoquery/geography_sql.json.gz",),
        nulls=("nearest",),
    )


SQL = Paper("Improving Text-to-SQL Evaluation Methodology", 2018, "https://arxiv.org/abs/1806.09029")
SQL_ALWAYS = (
    "Names are put into question and query; of several queries for a question the first counts. CompSub and "
    "LCS know no components of SQL and are skipped. At small trained competitors take half of their steps."
)
NONE: Mapping[str, int] = {}
SAMPLED = {"small": 500, "smoke": 100, "paper": 500}
GEO_FILES = {"iid": "iid", "query": "comp"}
HALF = "At small every trained competitor takes half of its steps."
GEO_ALWAYS = (
    "FunQL programs, the subset for which the original has span trees (not 540/60/280 as in SpanBasedSP and "
    "SUBS). `execution` compares answers on generated databases: the published one is not among the data."
)
FROZEN = (
    "In context: nothing is trained; each test input is shown with demonstrations drawn from train to a "
    "frozen model (`base_model`), or to the deterministic probe, which measures demonstrations and is no "
    "language model."
)


def _in_context(spec: TaskSpec, cls: str, n_test: Mapping[str, int] = NONE, **paper: int) -> TaskSpec:
    """The same problem by demonstrations: at small and smoke read by the probe, at paper by a Llama."""
    kept = {
        p: {k: v for k, v in spec.presets.get(p, {}).items() if k != "budget"} for p in ("small", "smoke")
    }
    if n_test:
        kept = {p: {**fields, "n_test": n_test[p]} for p, fields in kept.items()}
        paper = {**paper, "n_test": n_test["paper"]}
    protocol = f"{FROZEN} {'The samples of small hold at paper too. ' if paper else ''}{spec.protocol}"
    return replace(
        spec,
        name=f"icl-{spec.name}",
        summary=f"in context: {spec.summary}",
        where=f"tasks.compositional.in_context:{cls}",
        paper=ICL,
        protocol=protocol.replace(f" {HALF}", ""),
        presets={**kept, "paper": {"base_model": "llama-2-13b-hf"} | paper},
    )


def _filler(k: int, lines: str, fillers: str) -> TaskSpec:
    rule = (
        f"Test: the 1,173 commands with 'jump around right'. Train: {lines} commands; 'around right' occurs "
        f"there with {fillers}. {TURN}"
    )
    summary = f"SCAN: 'jump around right' after {k} other verbs with 'around right'"
    return _scan(f"filler-num{k}", f"filler_num{k}", TEMPLATE, summary, rule)


def _template(name: str, split: str, template: str) -> TaskSpec:
    rule = (
        f"Train: the 15,225 commands without '{template}'. Test: the 4,476 commands in which walk, look, run "
        f"or jump fills it. {TURN}"
    )
    return _scan(name, split, TEMPLATE, f"SCAN: the template '{template}' is new at test", rule)


def _mcd(k: int) -> TaskSpec:
    rule = (
        "Maximum compound divergence: train and test share their words but as few compounds as can be. Train "
        "8,365, test 1,045 of the 20,910 commands, by the published index file."
    )
    return _scan(f"mcd{k}", f"mcd{k}", MCD, f"SCAN: maximum compound divergence, split {k}", rule, OWN_DEV)


TASKS = [
    _scan(
        "simple",
        "simple",
        SCAN,
        "SCAN: random 80/20 split; nothing is new but the sentence",
        "A random 80/20 split of the 20,910 commands (train 16,728, test 4,182), drawn by split_seed; the "
        "published draw cannot be made again.",
    ),
    _scan(
        "length",
        "length",
        SCAN,
        "SCAN: trained on short outputs, tested on long ones",
        "Train: the 16,990 commands of at most 22 actions. Test: the 3,920 commands of 24 to 48.",
    ),
    _scan(
        "jump",
        "addprim_jump",
        SCAN,
        "SCAN: 'jump' is seen alone and must be used in sentences",
        "Train: the 13,203 commands without 'jump' and the bare command 'jump' 1,467 times (14,670 lines). "
        "Test: the 7,706 other commands with 'jump'.",
    ),
    _scan(
        "turn-left",
        "addprim_turn_left",
        SCAN,
        "SCAN: 'turn left' is seen alone and must be used in sentences",
        "Train: the 19,701 commands without 'turn left' and the bare command 2,189 times (21,890 lines). "
        "Test: the 1,208 other commands with 'turn left'.",
    ),
    _template("around-right", "around_right", "around right"),
    _template("opposite-right", "opposite_right", "opposite right"),
    _template("right", "right", "right"),
    _scan(
        "jump-around-right",
        "jump_around_right",
        TEMPLATE,
        "SCAN: 'jump around right' is new, other verbs with 'around right' are known",
        "Train: the 18,528 commands with neither 'jump around right' nor 'turn around right'. Test: the "
        f"1,173 commands with 'jump around right'. {TURN}",
    ),
    _filler(0, "15,225", "no word"),
    _filler(1, "16,290", "'look'"),
    _filler(2, "17,391", "'look' and 'walk'"),
    _filler(3, "18,528", "'look', 'walk' and 'run'"),
    *(_mcd(k) for k in (1, 2, 3)),
    _cogs(
        "cogs",
        "logical",
        COGS,
        "COGS: English sentences into logical forms; 21 kinds of new combinations",
        f"{GEN}Published files of 2022-09-13 or later. The variables of the forms are one token (x_3).",
    ),
    _cogs(
        "cogs-ql",
        "variable_free",
        QL,
        "COGS in variable-free form, assumed to be the paper's COGS-QL",
        f"{GEN}Assumption: no text that defines COGS-QL was found; the variable-free form of Qiu et al. "
        "stands in for it, from the files that ReCOGS keeps.",
    ),
    _cogs(
        "cogs-mini",
        "logical",
        COGS,
        "COGS-like sentences made by a generator: no file is needed",
        "Not COGS: this project's own vocabulary and generator, with the same fragment, categories and "
        f"held-out uses. {HALF} 2,400 training sentences "
        "with one-word primitives and exposure examples, 20 test rows of each category.",
        where="tasks.compositional.cogs.mini:MiniCogsTask",
        presets={"small": MINI_SMALL, "smoke": MINI_SMOKE},
        data=(),
    ),
    _geoquery(
        "geoquery-iid",
        "iid",
        "GeoQuery: questions on US geography into FunQL, split by question",
        "Train 513, dev 57, test 256 questions, split at random by question.",
    ),
    _geoquery(
        "geoquery-query",
        "query",
        "GeoQuery: no program template of test is in train",
        "Train 519, dev 54, test 253 questions; no program of test, and no template (names masked), is in "
        "train.",
    ),
    *(_sql(split) for split in ("question", "query")),
]
_BY_NAME = {spec.name: spec for spec in TASKS}
TASKS += [
    _in_context(_BY_NAME["scan-jump"], "InContextScan", SAMPLED),
    _in_context(_BY_NAME["scan-mcd1"], "InContextScan", SAMPLED),
    _in_context(_BY_NAME["cogs-ql"], "InContextCogs", per_category=50, n_dev=500),
    _in_context(_BY_NAME["geoquery-query"], "InContextGeoQuery"),
]

"""Claims on compositional generalization that SCAN can test, and the list of all, in words of this project.

They rest on the results table of the ACL 2023 poster of SpanSub and L2S2, which the CompSub paper of 2025
calls CompSub and LCS. Of the 2025 paper itself only the abstract could be had. Margins are set from the
published figures, not from results here.
"""

from __future__ import annotations

from suite.api import Paper
from suite.claims import AnyClaim, Bound, Check
from tasks.compositional import MCD, SCAN, TEMPLATE, claims_parsing
from tasks.compositional.comparison import better
from tasks.compositional.published import AUDITS as AUDITS
from tasks.compositional.published import COMPSUB, SPANSUB, TABLE
from tasks.compositional.published import PUBLISHED as PUBLISHED

GECA = Paper("Good-Enough Compositional Data Augmentation", 2020, "https://arxiv.org/abs/1904.09545")
LEXSYM = Paper("LexSym: Compositionality as Lexical Symmetry", 2023, "https://arxiv.org/abs/2201.12926")
BARS = "ACL 2023 poster, bar chart over MCD1 to MCD3"
OURS = "not in the paper: asked here"
EM = "exact_match"
JUMP, AROUND, LENGTH, MCD1, MCD3 = "scan-jump", "scan-around-right", "scan-length", "scan-mcd1", "scan-mcd3"
RUN_HERE = (JUMP, AROUND, MCD1)
AUGMENTERS = ("geca", "lexlearn", "lexsym", "prim2primx-met")
BY_EYE = "are read off the bars by eye, means over MCD1 to MCD3; of these only MCD1 is run at this size."
NOT_EVERY = "Asked of the table's augmentation baselines that run here; GECA+MAML is not among them."
NOT_ALL = "The paper also has MCD2 and MCD3, which are not run at this size."


COMPARISONS = [
    better(
        "compsub-lifts-lstm",
        "CompSub lifts an LSTM by more than 50 points on jump, around_right and MCD1.",
        RUN_HERE,
        "compsub",
        ("lstm",),
        margin=0.5,
        note=f"50 points: a round number below the smallest published gain of these, 54.5. {NOT_ALL}",
    ),
    better(
        "compsub-best-on-jump",
        "CompSub is better than GECA, LexLearn and Prim2PrimX+MET on jump.",
        (JUMP,),
        "compsub",
        ("geca", "lexlearn", "prim2primx-met"),
        note="LexSym is at 100.0 there like CompSub, so the table claims no lead over it.",
    ),
    better(
        "compsub-best-on-around-right",
        "CompSub is better than every augmentation baseline on around_right.",
        (AROUND,),
        "compsub",
        AUGMENTERS,
        note=NOT_EVERY,
    ),
    better(
        "compsub-best-on-mcd1",
        "CompSub is better than every augmentation baseline on MCD1.",
        (MCD1,),
        "compsub",
        AUGMENTERS,
        note=NOT_EVERY,
    ),
    better(
        "gain-of-66-points",
        "CompSub with LCS is better than the best augmentation baseline by up to 66.5 points on SCAN.",
        (MCD3,),
        "compsub-lcs",
        AUGMENTERS,
        paper=COMPSUB,
        where="abstract",
        margin=0.5,
        note="The 66.5 points are 80.2 - 13.7 (LexSym) on MCD3. Asked is a gain of more than 50 points: "
        "a published gain is itself an estimate from few seeds.",
    ),
    better(
        "lcs-lifts-lstm",
        "Learned substitution alone lifts an LSTM on MCD1.",
        (MCD1,),
        "lcs",
        ("lstm",),
        where=BARS,
        note=f".09 and .60 {BY_EYE}",
    ),
    better(
        "lcs-over-uniform",
        "Learned choices of what to substitute are better than uniform ones (RandS2) on MCD1.",
        (MCD1,),
        "lcs",
        ("rands2",),
        where=BARS,
        note=f".53 and .60 {BY_EYE}",
    ),
    better(
        "lcs-over-uniform-elsewhere",
        "Learned choices are better than uniform ones on jump, around_right and length too.",
        (JUMP, AROUND, LENGTH),
        "lcs",
        ("rands2",),
        where=OURS,
        note="The paper makes the comparison on MCD1 to MCD3; here it is made on three other splits.",
    ),
    better(
        "compsub-over-lcs",
        "CompSub alone is better than LCS alone on MCD1.",
        (MCD1,),
        "compsub",
        ("lcs",),
        where=BARS,
        note=f".70 and .60 {BY_EYE}",
    ),
    better(
        "lcs-adds-to-compsub",
        "LCS after a warm-up on CompSub's examples is better than CompSub alone on MCD1.",
        (MCD1,),
        "compsub-lcs",
        ("compsub",),
        note="The table has 67.4 and 63.4 with standard deviations of 12 to 13.",
    ),
    better(
        "lcs-keeps-compsub",
        "LCS after a warm-up on CompSub's examples loses nothing on jump and around_right.",
        (JUMP, AROUND),
        "compsub-lcs",
        ("compsub",),
        margin=-0.02,
        note="Both are at 99.9 to 100.0 in the table. Asked is that LCS is not worse by two points or more.",
    ),
    better(
        "compsub-strict-on-mcd1",
        "Without any dev or test input CompSub is still better than every augmentation baseline on MCD1.",
        (MCD1,),
        "compsub-strict",
        AUGMENTERS,
        where=OURS,
    ),
    better(
        "compsub-strict-keeps-gain",
        "Leaving dev and test inputs out costs CompSub less than ten points on around_right and MCD1.",
        (AROUND, MCD1),
        "compsub-strict",
        ("compsub",),
        where=OURS,
        margin=-0.1,
        note="On jump and length no example is left, so the strict variant cannot train there.",
    ),
]

BOUNDS = [
    Bound(
        id="lstm-fails",
        paper=SPANSUB,
        where=TABLE,
        statement="An LSTM alone stays below 15 % on jump, around_right and MCD1.",
        tasks=RUN_HERE,
        metric=EM,
        method="lstm",
        relation="at most",
        value=0.15,
        note=f"The highest of these is 10.2 with a standard deviation of 4.6 in the table. {NOT_ALL}",
    ),
    *(
        Bound(
            id=f"{method}-labels-right",
            paper=paper,
            where=OURS,
            statement=f"Every example that {name} adds has its right label.",
            tasks=(JUMP, AROUND, LENGTH, MCD1),
            metric="aug_consistency",
            method=method,
            relation="at least",
            value=1.0,
            note="Counted with the interpreter of the language, for each example added.",
        )
        for method, name, paper in (
            ("compsub", "CompSub", COMPSUB),
            ("geca", "GECA", GECA),
            ("lexsym", "LexSym", LEXSYM),
        )
    ),
    Bound(
        id="compsub-makes-the-test-set",
        paper=COMPSUB,
        where=OURS,
        statement="CompSub's added examples contain every test input of jump, around_right and length.",
        tasks=(JUMP, AROUND, LENGTH),
        metric="aug_overlap_test",
        method="compsub",
        relation="at least",
        value=1.0,
        note="Where it holds, a split asks whether the test set was made, not whether parsers generalise.",
    ),
]

CHECKS = [
    Check(
        id="scan-grammar",
        paper=SCAN,
        where="the published tasks file",
        statement="The grammar makes 20,910 different commands.",
        where_code="tasks.compositional.claim_checks:grammar_size",
        seconds=0.1,
    ),
    Check(
        id="scan-splits-apart",
        paper=TEMPLATE,
        where="the published split files",
        statement="In the twelve splits made by rule no test command is a training command.",
        where_code="tasks.compositional.claim_checks:nothing_shared",
    ),
    Check(
        id="scan-words-known",
        paper=TEMPLATE,
        where="the published split files",
        statement="In the twelve splits made by rule every word of a test command is known from training.",
        where_code="tasks.compositional.claim_checks:words_known",
    ),
    Check(
        id="around-right-leaves-out",
        paper=TEMPLATE,
        where="the published split files",
        statement="Neither part of around_right has the 1,209 commands in which 'turn' fills the template.",
        where_code="tasks.compositional.claim_checks:left_out",
        seconds=0.3,
    ),
    Check(
        id="mcd-apart",
        paper=MCD,
        where="the published index files",
        statement="No test command of MCD1 or MCD2 is a training or dev command.",
        where_code="tasks.compositional.claim_checks:nothing_shared_mcd",
        seconds=0.3,
    ),
    Check(
        id="mcd-words-known",
        paper=MCD,
        where="the published index files",
        statement="Every word of a test command of MCD1 or MCD2 is known from training.",
        where_code="tasks.compositional.claim_checks:words_known_mcd",
        seconds=0.3,
    ),
    Check(
        id="jump-is-one-substitution",
        paper=COMPSUB,
        where=OURS,
        statement="On jump one substitution makes the whole test set, rightly labelled.",
        where_code="tasks.compositional.claim_checks:jump_closure",
        seconds=4.0,
        note="Of the components of this project, a reconstruction that gives the published closure sizes.",
    ),
]

CLAIMS: list[AnyClaim] = [*COMPARISONS, *BOUNDS, *CHECKS, *claims_parsing.CLAIMS]

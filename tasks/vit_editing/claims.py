"""Claims on editing vision transformers, in words of this project.

The paper has curves and no tables of GR and LR, and no figure of them could be read as numbers: these are its
abstract's statements and those of the captions of its figures.
"""

from __future__ import annotations

from suite.api import Paper
from suite.claims import AnyClaim, Audit, Bound, Claim, Published

WHERE_TO_EDIT = Paper("Learning Where to Edit Vision Transformers", 2024, "https://arxiv.org/abs/2411.01948")
NATURAL, OIL, LIGHT = "vit-edit-natural", "vit-edit-oil", "vit-edit-light"
SUBSETS = (NATURAL, OIL, LIGHT)
METHOD = "where-to-edit"
BASELINES = ("ft", "ft-l1", "ft-l2", "lora", "kn", "rome", "mend", "ke", "t-patcher", "spt")
"""Rival editors; which of them the paper shows beside fine-tuning is known from memory alone."""
BLOCKS = ("ft-block-early", "ft-block-late")
OURS = "not in the paper: asked here"
OTHERS = ("head-only", "grace", "gradient-mask", "ft-all", "relabel")
"""Editors that the paper is not taken to compare."""
DRAWN = "Seeds draw the edited failures of the same six groups: the verdict is about these."


def front(name: str, task: str, subset: str) -> Claim:
    """The method's front is above every baseline's on a subset."""
    return Claim(
        id=f"edit-front-{name}",
        paper=WHERE_TO_EDIT,
        where="Figure 4, abstract",
        statement=f"On the {subset} subset learned masks give the best trade of GR and LR of the rivals.",
        tasks=(task,),
        metric="front_area",
        better=METHOD,
        worse=BASELINES,
        note="By the area of the front of mean GR and mean LR over each editor's knob. The subset's "
        "pictures, the classifier and its size are this suite's own; the paper has ViT/B-16 and ViT/S-16. "
        f"Others are asked about apart (edit-front-others). {DRAWN}",
    )


CLAIMS: list[AnyClaim] = [
    front("natural", NATURAL, "natural"),
    front("oil", OIL, "oil-painting"),
    front("light", LIGHT, "stage-light"),
    Claim(
        id="edit-front-others",
        paper=WHERE_TO_EDIT,
        where=OURS,
        statement="Learned masks also give a better trade of GR and LR than editors that the paper omits.",
        tasks=SUBSETS,
        metric="front_area",
        better=METHOD,
        worse=OTHERS,
        note=f"Relabel learns nothing; natural failures of a group share their wrong answer. {DRAWN}",
    ),
    Claim(
        id="edit-learned-mask-beats-random",
        paper=WHERE_TO_EDIT,
        where="Figure 5a",
        statement="At equal sparsity learned masks are better than random ones.",
        tasks=SUBSETS,
        metric="front_area",
        better=METHOD,
        worse=("random-mask",),
        note="Both have the same values of the knob, the share of units that may change, and the same "
        "descent: the area of one front against the other over the same sparsities, not point by point.",
    ),
    Claim(
        id="edit-learned-mask-beats-gradient",
        paper=WHERE_TO_EDIT,
        where=OURS,
        statement="Learned masks are better than those of the largest gradients of the failure itself.",
        tasks=SUBSETS,
        metric="front_area",
        better=METHOD,
        worse=("gradient-mask", "spt"),
    ),
    Claim(
        id="edit-middle-blocks",
        paper=WHERE_TO_EDIT,
        where="Figure 2",
        statement="FFNs of blocks 8 to 10 of twelve are the best ones to edit.",
        tasks=(NATURAL,),
        metric="front_area",
        better="ft",
        worse=BLOCKS,
        note="Plain fine-tuning of the FFNs at 6/10 to 8/10 of the depth, of which 8 to 10 of twelve are an "
        "instance, against as many earlier and later ones (at small the later ones share a block with the "
        "middle ones). The paper compares groups of attention, too.",
    ),
    Claim(
        id="edit-sparse-beats-all",
        paper=WHERE_TO_EDIT,
        where=OURS,
        statement="Editing chosen FFNs is better than fine-tuning all parameters.",
        tasks=SUBSETS,
        metric="front_area",
        better="ft",
        worse=("ft-all",),
    ),
    *(
        Bound(
            id=f"edit-more-pictures-{task.rpartition('-')[2]}",
            paper=WHERE_TO_EDIT,
            where="Figure 5b",
            statement="Edits with more pictures of a failure give a better trade of GR and LR.",
            tasks=(task,),
            metric="several_gain",
            method=METHOD,
            relation="at least",
            value=0.0,
            note="Area under the front with three pictures less that with the first of them alone.",
        )
        for task in SUBSETS
    ),
    Claim(
        id="edit-upper-reference",
        paper=WHERE_TO_EDIT,
        where=OURS,
        statement="A mask made for the failure itself is at least as good as the learned one.",
        tasks=SUBSETS,
        metric="front_area",
        better="oracle-mask",
        worse=(METHOD,),
        margin=-0.01,
        note="Not worse by a point or more: the learned mask is distilled from such masks.",
    ),
    Claim(
        id="edit-memory-keeps-edits",
        paper=WHERE_TO_EDIT,
        where=OURS,
        statement="After a row of edits a memory answers more of the edited failures right than fine-tuning.",
        tasks=(NATURAL,),
        metric="row_sr",
        better="grace",
        worse=("ft",),
        note="Beside edit-memory-is-local, which an editor that does nothing would meet.",
    ),
    Claim(
        id="edit-memory-is-local",
        paper=WHERE_TO_EDIT,
        where=OURS,
        statement="A memory of edits changes fewer other answers than fine-tuning does after a row of edits.",
        tasks=(NATURAL,),
        metric="row_lr",
        better="grace",
        worse=("ft",),
    ),
]

PUBLISHED: list[Published] = []

AUDITS: list[Audit] = [
    Audit(
        paper=WHERE_TO_EDIT,
        text="The released code computes GR as (right - 1) / all with the edited picture among them: it "
        "takes the edit for successful, and can reach (n - 1) / n at most. Here the edited picture is left "
        "out; the released value stands beside it as gr_repo.",
        source="github.com/hustyyq/Where-to-Edit, edit_natural.py, as of February 2025",
        by="this project, which read it",
    ),
    Audit(
        paper=WHERE_TO_EDIT,
        text="The released code has the method and fine-tuning alone. The other editors were made here after "
        "their own papers or code, with settings that were published for language models in part.",
        source="github.com/hustyyq/Where-to-Edit, as of February 2025",
        by="this project, which looked",
    ),
]

"""MEND: the gradient of a failure, which is of low rank, goes through trained networks before it is applied.

    dL/dW = sum over tokens of delta u^T;   (u~, delta~) = g(u, delta);   W' = W - knob alpha sum delta~ u~^T
    g: two residual layers z + relu(s (U V z + b) + o) on normalised (u, delta), one for each shape of matrix
    training: c_edit CE(edited; edit and its like) + c_loc KL(p || p_edited) on other pictures

Source: Mitchell et al. (2022), Fast Model Editing at Scale, section 3, as in EasyEdit (trainer/algs/MEND.py,
local_nn.py): one hidden layer, layers that start as the identity, c_edit 0.1, c_loc 1, rank 1920 at most.

Deviations: what the layers add is brought back to the scale of the gradient, so that untrained networks make
one step of SGD with rate alpha. Mean and deviation of features are measured once before training, not kept
running. alpha is learned as its logarithm; the update is subtracted. Practice is on training pictures: a box
of another picture is pasted in and the class must stay (cutmix), or a shifted picture must get another class
(swapped). Rates of training, and alpha at its start, are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.vit_editing.rival_practice import Practised
from suite.errors import UsageError
from tasks.vit_editing.contract import Edited, Failure, Prepared, ReplacedWeights, Workshop

if TYPE_CHECKING:
    import torch

    from methods.vit_editing.rival_transforms import Transforms
    from tasks.vit_editing.contract import Classifier


@dataclass(frozen=True, kw_only=True)
class MEND(Practised):
    """knobs: multiples of the learned rates; all but 1 are ours. rank: of the layers. rate: alpha at the
    start.

    c_edit, c_loc: weights of the two losses. measured: episodes that the normalisation is taken from.
    """

    knobs: str = "0.25,0.5,1,2,4"
    rank: int = 1920
    rate: float = 1e-2
    c_edit: float = 0.1
    c_loc: float = 1.0
    measured: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 1 or self.rate <= 0 or self.measured < 1:
            raise UsageError("rank and measured must be at least 1 and rate above 0")

    def prepare(self, model: Classifier, workshop: Workshop) -> Prepared:
        """The networks' parameters by name."""
        import torch

        from methods.vit_editing.rival_streams import chosen
        from methods.vit_editing.rival_training import factors, outcome, trained

        blocks = chosen(self.blocks, model)
        nets = self._nets(model, workshop.generator("mend/networks"))
        seen = self.practice(model, workshop, "mend/measured", self.measured)
        nets.measure(factors(model, seen.edit, seen.y, blocks))

        def step(number: int) -> torch.Tensor:
            given = self.practice(model, workshop, f"mend/{number}", self.episodes)
            changes = nets.changes(factors(model, given.edit, given.y, blocks))
            told = outcome(model, given, blocks[0], changes)
            return self.c_edit * told.edit + self.c_loc * told.drift

        optimizer = torch.optim.Adam(nets.parameters(), lr=self.lr)
        trained({"nets": nets}, optimizer, step, self.iterations, workshop, "training of mend")
        return {name: value.detach().clone() for name, value in nets.state_dict().items()}

    def edits(
        self,
        model: Classifier,
        prepared: Prepared,
        failures: list[Failure],
        knob: float,
        before: Edited | None,
    ) -> list[Edited]:
        import torch

        from methods.vit_editing.rival_streams import chosen, current, inherited, stacked
        from methods.vit_editing.rival_training import factors

        weights, blocks = inherited(before), chosen(self.blocks, model)
        nets = self._nets(model, torch.Generator())
        nets.load_state_dict(dict(prepared))
        x, y = stacked(failures)
        h = model.kept(x.flatten(0, 1), blocks[0]).unflatten(0, y.shape)
        found = factors(model, h, y, blocks, weights)
        with torch.no_grad():
            changes = nets.changes(found)
        earlier = before if isinstance(before, ReplacedWeights) else None
        edits: list[Edited] = []
        for i in range(len(failures)):
            new = {name: current(model, weights, name) + knob * change[i] for name, change in changes.items()}
            edits.append(ReplacedWeights(model, new, before=earlier, steps=1))
        return edits

    def _nets(self, model: Classifier, draw: torch.Generator) -> Transforms:
        from methods.vit_editing.rival_streams import chosen
        from methods.vit_editing.rival_transforms import Transforms

        return Transforms(model, chosen(self.blocks, model), self.rank, self.rate, draw).to(model.device)

"""KnowledgeEditor: a trained network masks and gates the gradient of a failure, within a margin of drift.

    W' = W + sigmoid(eta) (softmax(a) b^T * dL/dW + softmax(c) e^T),  (a, b, c, e, eta) from the condition
    condition: what is seen, what shall be answered and what is answered now
    training: min over the network, max over lambda >= 0 of
        CE(edited; edit and its like) + lambda (KL(p || p_edited) on other pictures - margin)

Source: De Cao et al. (2021), Editing Factual Knowledge in Language Models, section 3; the network as
in EasyEdit (trainer/algs/KE.py). The margin is tightened during training there too, for its classifier from
0.1 to 0.001.

Deviations: in place of an LSTM over the words of question, answer and alternative, a tanh layer reads the
normed class token beside the head's rows of the right class and of the present answer; layers have no weight
norm. The gradient is divided by the root of its mean square over all edited matrices: its size says little
about a failure, and left small, masks that add up to 1 over the rows of a matrix would leave nothing of it
beside the offset. One training goes from the widest margin of the knobs to the narrowest and a copy is kept
at the end of each, so that every knob has its network. Practice as in mend. The rates are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.vit_editing.rival_practice import Practised
from suite.errors import UsageError
from tasks.vit_editing.contract import Edited, Failure, Prepared, ReplacedWeights, Workshop

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from methods.vit_editing.rival_conditioned import Editing
    from tasks.vit_editing.contract import Classifier, Weights


@dataclass(frozen=True, kw_only=True)
class KE(Practised):
    """knobs: margins in nats; 0.1 and 0.001 are released, the others are ours. iterations: of each margin.

    width, hidden: of the condition and of each matrix's network. dual: rate of lambda, which starts at 1.
    """

    knobs: str = "0.3,0.1,0.03,0.01,0.001"
    iterations: int = 1000
    width: int = 768
    hidden: int = 512
    dual: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.values) <= 0:
            raise UsageError("the margins of ke must be above 0")
        if min(self.width, self.hidden) < 1 or self.dual < 0:
            raise UsageError("width and hidden must be at least 1 and dual at least 0")

    def prepare(self, model: Classifier, workshop: Workshop) -> Prepared:
        """MARGIN/PARAMETER: the network of each margin."""
        import torch
        from torch import nn

        from methods.vit_editing.rival_streams import chosen
        from methods.vit_editing.rival_training import outcome, trained

        start = chosen(self.blocks, model)[0]
        net = self._net(model, workshop.generator("ke/network"))
        price = nn.Module()
        price.register_buffer("value", torch.ones((), device=model.device))
        optimizer = torch.optim.Adam(net.parameters(), lr=self.lr)
        told: dict[str, Tensor] = {}

        for number, margin in enumerate(sorted(self.values, reverse=True)):

            def step(at: int, margin: float = margin, number: int = number) -> torch.Tensor:
                given = self.practice(model, workshop, f"ke/{number}/{at}", self.episodes)
                found = outcome(model, given, start, self._changes(net, model, given.edit, given.y, {}))
                over = found.drift - margin
                # The price of now: the one of the next step is written over it below.
                loss = found.edit + price.value.clone() * over
                price.value.add_(self.dual * over.detach()).clamp_(min=0)
                return loss

            label = f"training of ke {number + 1} of {len(self.values)}"
            trained({"net": net, "price": price}, optimizer, step, self.iterations, workshop, label)
            told |= {f"{margin:g}/{k}": v.detach().clone() for k, v in net.state_dict().items()}
        return told

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
        from methods.vit_editing.rival_training import under

        state = under(prepared, f"{knob:g}/")
        if not state:
            raise UsageError(
                f"ke has no network for the margin {knob:g}: it must be one of the knobs {self.knobs}"
            )
        net = self._net(model, torch.Generator())
        net.load_state_dict(state)
        weights = inherited(before)
        x, y = stacked(failures)
        h = model.kept(x.flatten(0, 1), chosen(self.blocks, model)[0]).unflatten(0, y.shape)
        changes = {n: c.detach() for n, c in self._changes(net, model, h, y, weights).items()}
        earlier = before if isinstance(before, ReplacedWeights) else None
        edits: list[Edited] = []
        for i in range(len(failures)):
            new = {name: current(model, weights, name) + change[i] for name, change in changes.items()}
            edits.append(ReplacedWeights(model, new, before=earlier, steps=1))
        return edits

    def _changes(
        self, net: Editing, model: Classifier, h: Tensor, y: Tensor, weights: Weights
    ) -> dict[str, Tensor]:
        """Of edits with streams (E, k, T, d), differentiable in the network."""
        import torch

        from methods.vit_editing.rival_streams import chosen
        from methods.vit_editing.rival_training import factors

        blocks = chosen(self.blocks, model)
        found = factors(model, h, y, blocks, weights)
        gradients = {name: one.delta.transpose(1, 2) @ one.read for name, one in found.items()}
        squares = torch.stack([g.square().sum((1, 2)) for g in gradients.values()]).sum(0)
        sizes = (squares / sum(g[0].numel() for g in gradients.values())).sqrt()
        gradients = {name: g / sizes.clamp(min=1e-12)[:, None, None] for name, g in gradients.items()}
        rows = model.parameter(f"{model.head}.weight")
        with torch.no_grad():
            tokens = model.tokens(h.flatten(0, 1), blocks[0], weights)
            answers = (tokens @ rows.T + model.parameter(f"{model.head}.bias")).argmax(1)
            parts = [tokens, rows[y.flatten()], rows[answers]]
            asked = torch.cat([p / p.norm(dim=1, keepdim=True) * p.shape[1] ** 0.5 for p in parts], 1)
            asked = asked.unflatten(0, y.shape).mean(1)
        return net.changes(asked, gradients)

    def _net(self, model: Classifier, draw: torch.Generator) -> Editing:
        from methods.vit_editing.rival_conditioned import Editing
        from methods.vit_editing.rival_streams import chosen

        names = [name for block in chosen(self.blocks, model) for name in model.blocks[block].matrices]
        return Editing(model, names, self.width, self.hidden, draw).to(model.device)

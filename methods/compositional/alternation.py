"""The two players of LCS: a policy that makes hard sentences and a parser that learns from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from methods.compositional import training
from methods.compositional.actions import Actions, Taken
from methods.compositional.neural import Session
from methods.compositional.policy import Choices, Policy, score_function_loss, straight_through_loss
from methods.compositional.soft_splice import spliced_loss
from tasks.compositional.contract import Augmented, Example

if TYPE_CHECKING:
    from methods.compositional.lcs import Lcs


def alternate(method: Lcs, parser: Any, session: Session) -> list[Augmented]:
    """Train `parser` in place, against a policy after the warm-up; the distinct sentences made."""
    players = Players(method, parser, session)
    batches = method.batches(session)
    first = int(method.warm_up * method.steps)
    for step in training.steps(method.recipe, players.progress(), session.ctx):
        parser.train()
        if step < first:
            batch = batches(step)
        else:
            if method.policy == "learned":
                players.ascend(step)
            batch = players.made_batch(step)
        with training.autocast(session.ctx.device, method.dtype):
            loss = training.plain_loss(parser, batch, step)
        training.update(players.parser_adam, players.parameters, loss, method.clip)
    parser.eval()
    return players.made()


class Players:
    """Parser and policy with their optimisers, and the record of what has been made."""

    def __init__(self, method: Lcs, parser: Any, session: Session) -> None:
        self.method, self.parser, self.session = method, parser, session
        self.actions = Actions.of(session.train, session.problem.language, method.candidates)
        self.taken = Taken(self.actions)
        self.policy = Policy(
            len(session.vocabularies[0]),
            len(self.actions.components),
            embed=method.policy_embed,
            hidden=method.policy_hidden,
            width=method.policy_width,
            dropout=method.dropout,
        ).to(session.ctx.device)
        self.parameters = [p for p in parser.parameters() if p.requires_grad]
        self.parser_adam = torch.optim.Adam(self.parameters, lr=method.lr)
        self.policy_adam = torch.optim.Adam(self.policy.parameters(), lr=method.lr)
        self.hosts = self._hosts()

    def progress(self) -> training.Progress:
        """Everything that a resumed training needs."""
        return training.Progress(
            self.session.ctx.checkpoint,
            {"model": self.parser, "policy": self.policy, "taken": self.taken},
            {"adam": self.parser_adam, "policy_adam": self.policy_adam},
        )

    def _hosts(self) -> Any:
        """Which training lines each step works on: (steps, 2 batch), policy's batch then parser's."""
        rng = self.session.ctx.rng("hosts")
        usable = self.actions.hosts
        shape = (self.method.steps, 2 * self.method.batch)
        return usable[rng.integers(len(usable), size=shape)]

    def ascend(self, step: int) -> None:
        """One policy step towards sentences on which the parser's loss is above their siblings'.

        The parser is in evaluation mode and none of its parameters moves.
        """
        self.policy.train()
        self.parser.eval()
        hosts = self.hosts[step, : self.method.batch]
        choices = self._draw(hosts, self.method.draws)
        if self.method.estimator == "differentiable_embedding":
            loss = spliced_loss(self.parser, self.actions, hosts, choices, self.session)
        else:
            losses = self._losses(hosts, choices)
            score = self.method.estimator == "score_function"
            loss = (score_function_loss if score else straight_through_loss)(choices, losses)
        training.update(self.policy_adam, list(self.policy.parameters()), loss, self.method.clip)
        self.parser.train()

    def _draw(self, hosts: Any, draws: int) -> Choices:
        """Substitutions for the given hosts."""
        source, candidates = self._tensors(hosts)
        return self.policy.draw(source, candidates, self.actions.exchangeable, draws)

    def _tensors(self, hosts: Any) -> tuple[Tensor, Tensor]:
        device = self.session.ctx.device
        pairs = [self.session.train[h] for h in hosts]
        rows = training.encode_pairs(pairs, self.session.vocabularies)
        return training.collate(rows, device).source, self.actions.candidates[torch.from_numpy(hosts)].to(
            device
        )

    @torch.no_grad()
    def _losses(self, hosts: Any, choices: Choices) -> Tensor:
        """The parser's mean token loss (T, B) on each made sentence."""
        pairs = [
            self.actions.make(h, o, i)
            for outs, intos in zip(choices.out.tolist(), choices.into.tolist(), strict=True)
            for h, o, i in zip(hosts, outs, intos, strict=True)
        ]
        batch = self._collate(pairs)
        with training.autocast(self.session.ctx.device, self.method.dtype):
            log_p = self.parser(batch.source, batch.target)
        return training.token_nll(log_p, batch.target).view(choices.out.shape)

    def _collate(self, pairs: list[Example]) -> training.Batch:
        rows = training.encode_pairs(pairs, self.session.vocabularies)
        return training.collate(rows, self.session.ctx.device)

    @torch.no_grad()
    def made_batch(self, step: int) -> training.Batch:
        """A batch of sentences, each made by one sampled substitution; originals do not appear."""
        self.policy.eval()
        hosts = self.hosts[step, self.method.batch :]
        if self.method.policy == "learned":
            choices = self._draw(hosts, 1)
            picks = zip(hosts.tolist(), choices.out[0].tolist(), choices.into[0].tolist(), strict=True)
        else:
            picks = self._uniform(hosts)
        pairs = []
        for host, out, into in picks:
            self.taken.add(host, out, into)
            pairs.append(self.actions.make(host, out, into))
        return self._collate(pairs)

    def _uniform(self, hosts: Any) -> list[tuple[int, int, int]]:
        """One uniform pick among the admissible (outgoing, incoming) pairs of each host."""
        picks = []
        for host in hosts.tolist():
            pairs = self.actions.pairs(host)
            out, into = pairs[int(torch.randint(len(pairs), (1,)))]
            picks.append((host, out, into))
        return picks

    def made(self) -> list[Augmented]:
        """The distinct sentences made that are not training lines."""
        known = {e.x for e in self.session.train} | {a.x for a in self.session.augmented}
        found: dict[str, Augmented] = {}
        for host, out, into in self.taken.all():
            pair = self.actions.make(host, out, into)
            if pair.x not in known and pair.x not in found:
                found[pair.x] = Augmented(pair.x, pair.y, host, self.actions.describe(host, out, into))
        return list(found.values())

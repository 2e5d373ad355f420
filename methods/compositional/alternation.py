"""The two players of LCS: a policy that makes hard sentences and a parser that learns from them."""

from __future__ import annotations

from collections.abc import Sequence
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

NUMBERS = 1 << 20
"""So many log-probabilities of the parser are held at a time; SCAN's (at the sizes here) fit as a whole."""


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
        self.actions = Actions.of(session.train, session.problem.language, method.candidates, method.pool)
        self.allowed = self.actions.allowed.to(session.ctx.device)
        self.taken = Taken(method.steps, method.batch)
        self.policy = Policy(
            len(session.vocabularies[0]),
            (self.actions.n_leaving, len(self.actions.pieces)),
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
        device = self.session.ctx.device
        lines = torch.from_numpy(hosts)
        tables = (self.actions.candidates[lines].to(device), self.actions.kinds[lines].to(device))
        source = self._collate([self.session.train[h] for h in hosts]).source
        through = self.method.estimator != "score_function"
        return self.policy.draw(source, *tables, self.allowed, draws, through=through)

    @torch.no_grad()
    def _losses(self, hosts: Any, choices: Choices) -> Tensor:
        """The parser's mean token loss (T, B) on each made sentence."""
        pairs = [
            self.actions.make(h, o, i)
            for outs, intos in zip(choices.out.tolist(), choices.into.tolist(), strict=True)
            for h, o, i in zip(hosts, outs, intos, strict=True)
        ]
        rows = training.encode_pairs(pairs, self.session.vocabularies)
        losses = torch.empty(len(rows), device=self.session.ctx.device)
        for part in parts([len(y) for _, y in rows], NUMBERS // len(self.session.vocabularies[1])):
            batch = training.collate([rows[k] for k in part], self.session.ctx.device)
            with training.autocast(self.session.ctx.device, self.method.dtype):
                log_p = self.parser(batch.source, batch.target)
            losses[part] = training.token_nll(log_p, batch.target)
        return losses.view(choices.out.shape)

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
            outs, intos = choices.out[0].tolist(), choices.into[0].tolist()
            picks = list(zip(hosts.tolist(), outs, intos, strict=True))
        else:
            picks = self._uniform(hosts)
        self.taken.put(step, picks)
        return self._collate([self.actions.make(*pick) for pick in picks])

    def _uniform(self, hosts: Any) -> list[tuple[int, int, int]]:
        """What a policy with equal logits would pick: uniformly what leaves, then what enters for it."""
        picks = []
        for host, (first, second) in zip(hosts.tolist(), torch.rand(len(hosts), 2).tolist(), strict=True):
            out = int(first * len(self.actions.leaving[host]))
            pieces = self.actions.entering[int(self.actions.kinds[host, out])]
            picks.append((host, out, int(pieces[int(second * len(pieces))])))
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


def parts(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Batches of rows (their numbers) that fit into `room` places with their padding, by falling length.

    All rows in one batch, in their order, where they fit; a row that is too long makes one of its own.
    """
    if len(lengths) * max(lengths) <= room:
        return [list(range(len(lengths)))]
    made: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda k: -lengths[k]):
        if not made or (len(made[-1]) + 1) * lengths[made[-1][0]] > room:
            made.append([])
        made[-1].append(row)
    return made

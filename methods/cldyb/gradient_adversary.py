"""An adversary by the direction of gradients."""

from __future__ import annotations

from dataclasses import dataclass

from methods.cldyb.adversaries import step_by_step
from suite.errors import Skip
from tasks.cldyb.contract import MDP, Adversary, Classes, Found, History


@dataclass(frozen=True)
class GradientHard(Adversary):
    """At every step the task whose loss gradient points most against that of the tasks so far
    (`MDP.opposition`): learning it is expected to forget them. Learners learn the tasks taken, no others. The
    first task is the lowest on offer.

    Skip where the problem does not know gradients.
    """

    def find(self, mdp: MDP, seed: int) -> Found:
        def worth(history: History, task: Classes) -> float:
            if (value := mdp.opposition(history, task)) is None:
                raise Skip("this problem does not say how a task's gradient lies before it is learned")
            return value

        return step_by_step(mdp, seed, worth)

"""Nothing is learned twice, and what is learned again comes out the same."""

import json

import numpy as np
import pytest

from suite.errors import MethodError, UsageError
from tasks.cldyb.contract import Learner
from tasks.cldyb.mdp import Reward, rewards, training_seed, used
from tasks.cldyb.memo import LearnersMDP, Memo, reference_losses
from tasks.cldyb.sampling import Support
from tasks.cldyb.search_settings import SearchSettings
from tasks.cldyb.tabular import overlapping
from tasks.cldyb.tree import Search

TASKS = overlapping(7, 2)
MEANS = np.random.default_rng(0).normal(size=(7, 5))


def data(name, task):
    rng = np.random.default_rng([3, *task])
    y = np.repeat(task, 6)
    return Support(MEANS[y] + 0.9 * rng.normal(size=(len(y), 5)), y)


class Ncm(Learner):
    """The nearest class mean; order plays no part."""

    def __init__(self):
        self.means, self.learned = np.empty((0, 5)), []

    def learn(self, task, seed):
        classes = sorted(set(task.labels.tolist()))
        new = np.array([task.features[task.labels == c].mean(0) for c in classes])
        self.means, self.seen = np.concatenate([self.means, new]), (*self.seen, *classes)
        self.learned.append(tuple(classes))

    def logits(self, x):
        return -((x[:, None] - self.means) ** 2).sum(-1)

    def state(self):
        return {"means": self.means.copy()}

    def restore(self, state, seen):
        self.means, self.seen = state["means"].copy(), tuple(seen)


class Drifting(Ncm):
    """Its old means move with everything it learns, by its seed: order matters."""

    def learn(self, task, seed):
        self.means = self.means + 0.4 * np.random.default_rng(seed).normal(size=self.means.shape)
        super().learn(task, seed)


def examine(name, learner, history):
    found = []
    for task in history:
        y = np.repeat(task, 20)
        x = MEANS[y] + 0.9 * np.random.default_rng([4, *task]).normal(size=(len(y), 5))
        found.append((np.array(learner.seen)[learner.logits(x).argmax(1)] == y).mean())
    return found


def memo(seed=1, keep=64, **begin):
    return Memo(begin or {"ncm": Ncm, "drift": Drifting}, data, examine, seed, keep)


def propose(history, rng):
    legal = [task for task in TASKS if used(history).isdisjoint(task)]
    return tuple(sorted(legal[i] for i in rng.permutation(len(legal))[:4]))


def from_scratch(make, name, history, seed):
    learner = make()
    for t, task in enumerate(history):
        learner.learn(data(name, task), training_seed(seed, history[: t + 1]))
    return learner


def test_rows_are_those_of_a_learner_taught_from_the_start():
    kept = memo()
    for history in (((0, 1), (2, 3)), ((0, 1), (4, 5)), ((2, 3), (0, 1), (4, 6)), ((0, 1), (2, 3), (5, 6))):
        for name, make in (("ncm", Ncm), ("drift", Drifting)):
            alone = from_scratch(make, name, history, 1)
            assert kept.row(name, history) == tuple(examine(name, alone, history))
            assert (kept.at(name, history).means == alone.means).all()
            assert kept.at(name, history).seen == alone.seen
    assert kept.relearned == 0


@pytest.mark.parametrize("keep", [0, 1, 3, 1000])
def test_trainings_are_distinct_edges_and_room_changes_no_number(keep):
    kept = memo(keep=keep)
    search = Search(LearnersMDP(kept, propose, 3), SearchSettings(simulations=15, depth=3), 2)
    search.run()
    edges = {(name, str(history)) for name, history, _ in kept.state()["rows"]}
    assert kept.trainings == len(edges) < 2 * 3 * search.simulations
    assert all(row is not None for _, _, row in kept.state()["rows"])
    taught = sum(len(learner.learned) for learner in kept._live.values())
    assert taught == kept.trainings + kept.relearned
    assert (kept.relearned == 0) == (keep == 1000)
    assert len(kept._states) <= keep
    plenty = memo(keep=64)
    again = Search(LearnersMDP(plenty, propose, 3), SearchSettings(simulations=15, depth=3), 2)
    again.run()
    assert (again.state(), plenty.trainings) == (search.state(), kept.trainings)


def test_asking_again_teaches_nothing():
    kept = memo()
    mdp = LearnersMDP(kept, propose, 3)
    sequence = ((0, 1), (2, 3), (4, 5))
    first, taught = rewards(mdp, sequence), kept.trainings
    assert (rewards(mdp, sequence), kept.trainings, taught) == (first, 6, 6)
    assert kept.matrix("drift", sequence)[1] == kept.row("drift", sequence[:2])


def test_states_least_lately_used_go_first():
    kept = memo(keep=2, drift=Drifting)
    a, b, c = ((0, 1),), ((2, 3),), ((4, 5),)
    kept.at("drift", a), kept.at("drift", b), kept.at("drift", a), kept.at("drift", c)
    kept.at("drift", a)
    assert kept.relearned == 0
    kept.at("drift", b)
    assert kept.relearned == 1


def test_returns_telescope_with_real_learners():
    kept = memo()
    for sequence in (((0, 1), (2, 3), (4, 5)), ((5, 6), (0, 4), (1, 2))):
        final = np.mean([np.mean(kept.row(name, sequence)) for name in kept.names])
        assert abs(sum(rewards(LearnersMDP(kept, propose, 3), sequence)) - (1 - final)) < 1e-12


def test_reference_losses_are_those_of_random_sequences_learner_by_learner():
    kept = memo()
    found = reference_losses(LearnersMDP(kept, propose, 3), Reward(), 4, seed=0)
    losses = {name: [] for name in kept.names}
    for name, history, row in kept.state()["rows"]:
        before = kept.row(name, tuple(map(tuple, history[:-1])))
        losses[name].append((1 - row[-1] + sum(before) - sum(row[:-1])) / 3)
    for name, known in zip(kept.names, found, strict=True):
        assert len(known) == 12 and list(known) == sorted(known)
        assert {round(one, 9) for one in known} == {round(one, 9) for one in losses[name]}
    mdp = LearnersMDP(kept, propose, 3, Reward(aggregate="rank-mean", reference=found))
    assert all(0 <= mdp.reward((), task) <= 1 / 3 for task in TASKS)


def test_the_order_of_a_fixed_set_does_not_matter_to_an_order_invariant_learner():
    sequence = ((0, 1), (2, 3), (4, 5))
    orders = [sequence, sequence[::-1], (sequence[1], sequence[0], sequence[2])]
    invariant = LearnersMDP(memo(ncm=Ncm), propose, 3)
    returns = [sum(rewards(invariant, one)) for one in orders]
    assert returns == pytest.approx([returns[0]] * 3, abs=1e-12)
    drifting = LearnersMDP(memo(drift=Drifting), propose, 3)
    assert np.ptp([sum(rewards(drifting, one)) for one in orders]) > 1e-3


def test_a_killed_search_on_learners_goes_on_to_the_same_sequence_and_learns_no_edge_twice():
    settings = SearchSettings(simulations=10, depth=3)
    whole, files = memo(), []
    search = Search(LearnersMDP(whole, propose, 3), settings, 5)
    search.run(lambda state: files.append(json.dumps([state, whole.state()])), every=9)
    for text in files:
        state, learned = json.loads(text)
        again = memo(keep=4)
        again.resume(learned)
        resumed = Search.resume(LearnersMDP(again, propose, 3), state)
        assert resumed.done or resumed.run() == search.history
        assert (resumed.state(), again.trainings) == (search.state(), whole.trainings)
        assert again.state()["rows"] == whole.state()["rows"]


def test_what_learns_half_way_is_not_trusted():
    class Failing(Drifting):
        fail = True

        def learn(self, task, seed):
            super().learn(task, seed)
            if Failing.fail:
                raise RuntimeError("out of memory")

    kept = memo(drift=Failing)
    with pytest.raises(RuntimeError):
        kept.row("drift", ((0, 1),))
    Failing.fail = False
    alone = from_scratch(Drifting, "drift", ((0, 1), (2, 3)), 1)
    assert (kept.at("drift", ((0, 1), (2, 3))).means == alone.means).all() and kept.trainings == 2


def test_bad_accuracies_and_foreign_states_are_told():
    for row in ([0.5, 0.5], [float("nan")], [1.5]):
        broken = Memo({"ncm": Ncm}, data, lambda name, learner, history, row=row: row, 0)
        with pytest.raises(MethodError, match="'ncm' after 1 tasks"):
            broken.row("ncm", ((0, 1),))
    with pytest.raises(UsageError, match="of seed 1"):
        memo(seed=2).resume(memo(seed=1).state())
    with pytest.raises(UsageError, match="0 learners"):
        Memo({}, data, examine, 0)

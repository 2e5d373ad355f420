"""What the verbs of the generated COGS take and how often, and what each category of its tests asks for.

The shares of the frames were counted on the published training set, those within a category on the
published generalization set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tasks.compositional.cogs import words
from tasks.compositional.cogs.words import Verb


class Frame(NamedTuple):
    """A way to use a verb.

    pattern: the sentence in order, roles standing for phrases; verbs: classes drawn alike; top and below:
    per mille of main clauses without one below, and of those below "that"; modified: how often the theme has
    a modifier; themes: what it is, a thing, a person or a name. Agents and recipients are persons or names.
    """

    pattern: str
    verbs: tuple[tuple[Verb, ...], ...]
    top: int = 0
    below: int = 0
    modified: float = 0.0
    themes: tuple[int, int, int] = (1, 0, 0)


OBJECT = (words.TRANSITIVE, words.OMISSIBLE, words.UNACCUSATIVE)
FRAMES = {
    "agent theme": Frame("agent VERB theme", OBJECT, 216, 161, 0.425, (44, 28, 28)),
    "passive by": Frame("theme was VERB by agent", OBJECT, 176, 162),
    "passive": Frame("theme was VERB", OBJECT, 79, 162),
    "double": Frame("agent VERB recipient theme", (words.DATIVE,), 71, 44, 0.5),
    "to": Frame("agent VERB theme to recipient", (words.DATIVE,), 70, 48, 0.5),
    "passive to by": Frame("theme was VERB to recipient by agent", (words.DATIVE,), 66, 49),
    "agent": Frame("agent VERB", (words.OMISSIBLE, words.UNERGATIVE), 63, 123),
    "passive to": Frame("theme was VERB to recipient", (words.DATIVE,), 58, 52),
    "xcomp": Frame("agent VERB to xcomp", (words.TO,), 56, 54),
    "passive double by": Frame("recipient was VERB theme by agent", (words.DATIVE,), 54, 33, 0.5),
    "passive double": Frame("recipient was VERB theme", (words.DATIVE,), 51, 39, 0.5),
    "theme": Frame("theme VERB", (words.UNACCUSATIVE,), 40, 73, themes=(51, 28, 21)),
}
CCOMP = Frame("agent VERB that ccomp", (words.THAT,))


class Wanted(NamedTuple):
    """What a category asks of a sentence; what it leaves open is drawn as in training.

    The frame (with weights), verbs, the word that fills a role, the verb after "to" and the number of
    modifiers of the theme are those of the lowest clause; a modified subject is that of the main clause.
    """

    frames: Mapping[str, int] = {}
    verbs: tuple[Verb, ...] = ()
    role: str = ""
    word: str = ""
    raised: Verb | None = None
    clauses: int | None = None
    modifiers: int | None = None
    modified_subject: bool = False


ANY = Wanted()
AS_OBJECT = {"agent theme": 60, "double": 20, "to": 20}
AS_SUBJECT = {"agent theme": 47, "double": 18, "to": 16, "xcomp": 11, "agent": 8}
PASSIVES = {"passive by": 79, "passive": 21}
TESTS = {
    "subj_to_obj_common": Wanted(AS_OBJECT, role="theme", word=words.SUBJECT_NOUN),
    "subj_to_obj_proper": Wanted(AS_OBJECT, role="theme", word=words.SUBJECT_NAME),
    "obj_to_subj_common": Wanted(AS_SUBJECT, role="agent", word=words.OBJECT_NOUN),
    "obj_to_subj_proper": Wanted(AS_SUBJECT, role="agent", word=words.OBJECT_NAME),
    "prim_to_subj_common": Wanted(AS_SUBJECT, role="agent", word=words.BARE_NOUN),
    "prim_to_subj_proper": Wanted(AS_SUBJECT, role="agent", word=words.BARE_NAME),
    "prim_to_obj_common": Wanted(AS_OBJECT, role="theme", word=words.BARE_NOUN),
    "prim_to_obj_proper": Wanted(AS_OBJECT, role="theme", word=words.BARE_NAME),
    "prim_to_inf_arg": Wanted({"xcomp": 1}, raised=words.BARE),
    "obj_pp_to_subj_pp": Wanted(modified_subject=True),
    "cp_recursion": ANY,
    "pp_recursion": Wanted(AS_OBJECT),
    "active_to_passive": Wanted(PASSIVES, (words.ACTIVE,)),
    "passive_to_active": Wanted({"agent theme": 1}, (words.PASSIVE,)),
    "obj_omitted_transitive_to_transitive": Wanted({"agent theme": 1}, (words.OMITTED,)),
    "unacc_to_transitive": Wanted({"agent theme": 1}, (words.ALONE,)),
    "do_dative_to_pp_dative": Wanted({"to": 1}, (words.DOUBLE,)),
    "pp_dative_to_do_dative": Wanted({"double": 1}, (words.PREPOSITIONAL,)),
    "only_seen_as_transitive_subj_as_unacc_subj": Wanted({"theme": 1}, role="theme", word=words.AGENT_NOUN),
    "only_seen_as_unacc_subj_as_obj_omitted_transitive_subj": Wanted(
        {"agent": 1}, words.OMISSIBLE, "agent", words.THEME_NOUN
    ),
    "only_seen_as_unacc_subj_as_unerg_subj": Wanted(
        {"agent": 1}, words.UNERGATIVE, "agent", words.THEME_NOUN
    ),
}
"""The 21 categories of the generalization set by the names that COGS gives them."""
EXPOSURES = {
    "subj_common": Wanted({"agent theme": 1}, role="agent", word=words.SUBJECT_NOUN),
    "subj_proper": Wanted({"to": 1}, role="agent", word=words.SUBJECT_NAME),
    "obj_common": Wanted({"agent theme": 1}, role="theme", word=words.OBJECT_NOUN),
    "obj_proper": Wanted({"agent theme": 1}, role="theme", word=words.OBJECT_NAME),
    "active": Wanted({"agent theme": 1}, (words.ACTIVE,)),
    "passive": Wanted({"passive": 1}, (words.PASSIVE,)),
    "obj_omitted_transitive": Wanted({"agent": 1}, (words.OMITTED,)),
    "unacc": Wanted({"theme": 1}, (words.ALONE,)),
    "do_dative": Wanted({"double": 1}, (words.DOUBLE,)),
    "pp_dative": Wanted({"to": 1}, (words.PREPOSITIONAL,)),
    "transitive_subj": Wanted({"agent theme": 1}, role="agent", word=words.AGENT_NOUN),
    "unacc_subj": Wanted({"theme": 1}, role="theme", word=words.THEME_NOUN),
}
"""The one sentence each in which the training set shows a word or verb of the categories."""

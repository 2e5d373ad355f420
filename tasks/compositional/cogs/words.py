"""The words of the generated COGS: ordinary English, our own choice, in the classes that COGS has.

The classes of verbs have the sizes of COGS; nouns and names are fewer, so that a few thousand sentences teach
them all. A list is in order of use: the word of rank r is drawn about r ** -1.1 times as often as the first,
near the published training set. No noun begins with a vowel, so that the article is "a".
"""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """A verb with the two forms that sentences have; the lemma stands after "to" and alone."""

    lemma: str
    past: str
    participle: str


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _verbs(text: str) -> tuple[Verb, ...]:
    """Verbs from "lemma past participle" between commas; without a participle it is the past form."""
    forms = [entry.split() for entry in text.split(",")]
    return tuple(Verb(lemma, past, rest[0] if rest else past) for lemma, past, *rest in forms)


PEOPLE = _words(
    """farmer juggler rabbit painter weasel cousin singer goat pilot panther wizard baker beaver tailor
    gopher nephew kitten neighbor camel knight parrot waiter pony clown lizard sheriff swan gardener
    turtle grandmother deer sculptor raccoon butcher hamster plumber salmon carpenter pigeon dentist"""
)
"""Whoever does, sees and receives: agents and recipients are of these or names."""

THINGS = _words(
    """dumpling candle pancake letter wrench goblet violin ladder blanket kite diary turnip necklace quilt
    carrot lantern coin ribbon bagel kettle trumpet mango helmet satchel feather marble scooter magazine
    mitten statue bracelet ticket telescope thimble canoe waffle"""
)
"""What is given, and the subject of a passive."""

PLACES = {
    "in": _words("kitchen basket garage barn suitcase tent library tunnel cave valley pantry wagon"),
    "on": _words("shelf counter carpet roof sofa bridge porch hill desk raft windowsill ledge"),
    "beside": _words("fence fountain river shelf gate barn sofa bridge pillar tent ladder statue"),
}
"""The nouns after each preposition; some stand after several, as in COGS."""

NAMES = _words(
    """Clara Hugo Marta Felix Rosa Anton Ines Jonas Tilda Bruno Edith Nils Wanda Pablo Dora Stefan Kira
    Lars Olga Cesar Frida Viktor Lotte Igor Ursula Otto Nadia Gustav Judith Moritz Helga Quentin Petra
    Yuri Gloria Dario Zelda Klaus Ada Ruben"""
)

TRANSITIVE = _verbs(
    """chase chased, push pushed, lift lifted, catch caught, trust trusted, hide hid hidden, fear feared,
    wrap wrapped, steal stole stolen, repair repaired, doubt doubted, greet greeted, tickle tickled,
    fetch fetched, remember remembered, rescue rescued, scratch scratched, avoid avoided, suspect suspected,
    protect protected"""
)
"""Never without an object."""

OMISSIBLE = _verbs(
    """write wrote written, wash washed, sing sang sung, drive drove driven, sweep swept, dig dug,
    climb climbed, drink drank drunk, teach taught, win won, chew chewed, learn learned, type typed,
    weave wove woven, stir stirred, copy copied, shave shaved, film filmed, order ordered, steer steered"""
)
"""With an object, or without one: then the subject is still the agent."""

UNACCUSATIVE = _verbs(
    """move moved, open opened, melt melted, spin spun, drop dropped, close closed, bend bent, crack cracked,
    tear tore torn, sink sank sunk, bounce bounced, dry dried, stretch stretched, tilt tilted,
    shrink shrank shrunk, soften softened, darken darkened, dissolve dissolved, twist twisted,
    rotate rotated"""
)
"""With an object, or without one: then the subject is the theme."""

UNERGATIVE = _verbs(
    """jump jumped, shout shouted, yawn yawned, march marched, work worked, whistle whistled, rest rested,
    argue argued, hike hiked, hop hopped, wander wandered, cough coughed, skate skated, bow bowed, weep wept,
    kneel knelt, blink blinked, grin grinned, travel traveled, pause paused"""
)
"""Never with an object."""

RAISED = UNERGATIVE[:11] + OMISSIBLE[:9]
"""The verbs after "to", as many of each class as in COGS."""

DATIVE = _verbs(
    """give gave given, send sent, show showed shown, bring brought, pay paid, leave left, lease leased,
    kick kicked, grant granted, trade traded, email emailed, assign assigned, deal dealt, pitch pitched,
    fling flung, hurl hurled, lob lobbed, owe owed, allot allotted, bequeath bequeathed"""
)
"""With "to" and with two objects alike."""

THAT = _verbs(
    """guess guessed, learn learned, claim claimed, realize realized, fear feared, doubt doubted,
    remember remembered, announce announced, decide decided, forget forgot, suspect suspected, trust trusted,
    whisper whispered, report reported, agree agreed, assume assumed, dream dreamed, conclude concluded,
    pretend pretended, recall recalled"""
)
"""Before a clause; some have an object or "to" as well, as in COGS."""

TO = _verbs(
    """try tried, decide decided, refuse refused, begin began, manage managed, agree agreed, forget forgot,
    pretend pretended, learn learned, struggle struggled, continue continued, remember remembered,
    fail failed, hesitate hesitated, aim aimed, vow vowed, threaten threatened, wait waited,
    volunteer volunteered, choose chose"""
)
"""Before "to" and a verb."""

# What the training set shows in one place only, and the generalization set in another. None is listed above.
SUBJECT_NOUN, SUBJECT_NAME = "badger", "Greta"
OBJECT_NOUN, OBJECT_NAME = "beetle", "Oscar"
BARE_NOUN, BARE_NAME = "dolphin", "Thea"
AGENT_NOUN, THEME_NOUN = "falcon", "walrus"
"""Seen as the subject of a transitive verb only, and as that of an unaccusative verb only."""
ACTIVE, PASSIVE, OMITTED, ALONE, DOUBLE, PREPOSITIONAL, BARE = _verbs(
    "praise praised, polish polished, carve carved, explode exploded, fax faxed, ferry ferried, swim swam"
)
"""Verbs seen only in the active voice, the passive voice, without an object, as unaccusative, with two
objects, with "to", and as a single word (its past form is nowhere)."""

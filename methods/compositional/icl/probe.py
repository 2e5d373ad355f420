"""A deterministic reader of prompts that measures what demonstrations hold; it is no language model.

It knows nothing but the prompt: it takes the demonstration nearest to the query, and replaces what differs by
what the demonstrations themselves show that words stand for. So its score says whether the demonstrations
suffice for a simple analogy, and nothing about what a language model would make of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import permutations
from typing import NamedTuple

from methods.compositional.icl.prompt import read_prompt
from methods.compositional.icl.retrieval import edit_distances
from tasks.compositional.contract import Example

ALIKE = 3
"""Letters that the beginnings of a word and of its token have in common, where nothing else tells."""
Tokens = tuple[str, ...]


class Known(NamedTuple):
    """What demonstrations show. words: a word's token. phrases: what a change of input words changes."""

    words: dict[str, str]
    phrases: dict[tuple[Tokens, Tokens], tuple[Tokens, Tokens]]


def probe(text: str) -> str:
    """The answer to a prompt: of the demonstrations whose difference from the query can be made good, the one
    nearest to it, so changed; where there is none, the nearest, changed as far as it goes. Of equally near
    ones the one closest to the query in the prompt counts; without demonstrations the answer is empty.
    """
    demonstrations, query = read_prompt(text)
    if not demonstrations:
        return ""
    away = edit_distances(query, [x for x, _ in demonstrations])
    order = sorted(range(len(demonstrations)), key=lambda i: (int(away[i]), -i))
    known = learn(demonstrations)
    tried = []
    for i in order:
        output, complete = repair(demonstrations[i], query.split(), known)
        if complete:
            return output
        tried.append(output)
    return tried[0]


def learn(demonstrations: Sequence[Example]) -> Known:
    """Word tokens and phrase changes from demonstrations alone."""
    phrases: dict[tuple[Tokens, Tokens], tuple[Tokens, Tokens]] = {}
    for one, other in permutations(demonstrations, 2):
        before, after = _difference(one.x.split(), other.x.split())
        gone, come = _difference(one.y.split(), other.y.split())
        if before and after and gone and come:
            phrases.setdefault((before, after), (gone, come))
    return Known(align(demonstrations), phrases)


def align(demonstrations: Sequence[Example]) -> dict[str, str]:
    """Words that occur in the inputs of exactly the demonstrations in whose outputs a token occurs.

    A word that is always in the output itself stands for itself. Of the others those that share their
    demonstrations with one token, and that token with no other word, stand for it; where several do, words
    and tokens are paired by the longest common beginning, of at least ALIKE letters.
    """
    words = _places(x for x, _ in demonstrations)
    tokens = _places(y for _, y in demonstrations)
    found = {w: w for w, where in words.items() if w in tokens and set(where) <= set(tokens[w])}
    groups: dict[tuple[int, ...], tuple[list[str], list[str]]] = {}
    for kind, (vocabulary, taken) in enumerate(((words, found.keys()), (tokens, found.values()))):
        for item, where in vocabulary.items():
            if item not in taken:
                groups.setdefault(where, ([], []))[kind].append(item)
    for some_words, some_tokens in groups.values():
        if len(some_words) == len(some_tokens) == 1:
            found[some_words[0]] = some_tokens[0]
        else:
            found.update(_alike(some_words, some_tokens))
    return found


def repair(demonstration: Example, query: Sequence[str], known: Known) -> tuple[str, bool]:
    """The demonstration's output changed for the query, and whether every difference was made good.

    A word for a word: their tokens are exchanged; of a word that stands for itself, the query's word is
    taken. Else a phrase for a phrase, if what goes stands in the output once.
    """
    words, output = demonstration.x.split(), tuple(demonstration.y.split())
    swaps: list[tuple[int, str]] = []
    complete = True
    for a, b, c, d in changes(words, query):
        pairs = list(zip(range(a, b), query[c:d], strict=False))
        if b - a == d - c and all(words[i] in known.words and _token(words[i], w, known) for i, w in pairs):
            swaps += pairs
            continue
        change = known.phrases.get((tuple(words[a:b]), tuple(query[c:d])))
        changed = None if change is None else _replace_once(output, *change)
        complete = complete and changed is not None
        output = output if changed is None else changed
    output, swapped = _swap(output, words, swaps, known)
    return " ".join(output), complete and swapped


def changes(words: Sequence[str], query: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """What a shortest edit exchanges: words[a:b] for query[c:d], by place; either may be empty.

    Of shortest edits the one that, from the end, takes a word for a word where it can, else drops a word.
    """
    table = [list(range(len(query) + 1))]
    for i, word in enumerate(words, 1):
        row = [i]
        for j, other in enumerate(query, 1):
            row.append(min(table[-1][j - 1] + (word != other), table[-1][j] + 1, row[-1] + 1))
        table.append(row)
    i, j = len(words), len(query)
    found: list[tuple[int, int, int, int]] = []
    while i or j:
        b, d = i, j
        if i and j and table[i][j] == table[i - 1][j - 1] + (words[i - 1] != query[j - 1]):
            i, j = i - 1, j - 1
            if words[i] == query[j]:
                continue
        elif i and table[i][j] == table[i - 1][j] + 1:
            i -= 1
        else:
            j -= 1
        if found and (b, d) == (found[-1][0], found[-1][2]):
            _, b, _, d = found.pop()
        found.append((i, b, j, d))
    return found[::-1]


def _token(leaving: str, entering: str, known: Known) -> str | None:
    """What stands for the entering word; itself where the leaving one stands for itself."""
    copied = entering if known.words[leaving] == leaving else None
    return known.words.get(entering, copied)


def _swap(
    output: Tokens, words: Sequence[str], swaps: Sequence[tuple[int, str]], known: Known
) -> tuple[Tokens, bool]:
    """Exchange the tokens of all swapped words at once, and whether it was clear where.

    swaps: positions of words with the word that enters. A word that is swapped for the same word everywhere
    changes all of its tokens; else its n-th token goes with its n-th occurrence, if they are as many.
    """
    entering: dict[str, dict[int, str]] = defaultdict(dict)
    for position, word in swaps:
        entering[words[position]][position] = word
    out = list(output)
    clear = True
    for word, changes in entering.items():
        token = known.words[word]
        own = [i for i, w in enumerate(words) if w == word]
        at = [i for i, t in enumerate(output) if t == token]
        new = [_token(word, changes.get(i, word), known) or token for i in own]
        if len(set(new)) == 1:
            new = new[:1] * len(at)
        clear = clear and len(new) == len(at)
        for i, entered in zip(at, new, strict=False):
            out[i] = entered
    return tuple(out), clear


def _difference(one: Sequence[str], other: Sequence[str]) -> tuple[Tokens, Tokens]:
    """What is left of both without their common beginning and their common end."""
    short = min(len(one), len(other))
    start = next((i for i in range(short) if one[i] != other[i]), short)
    end = next((i for i in range(short - start) if one[-1 - i] != other[-1 - i]), short - start)
    return tuple(one[start : len(one) - end]), tuple(other[start : len(other) - end])


def _replace_once(output: Tokens, gone: Tokens, come: Tokens) -> Tokens | None:
    """The output with one phrase for another; None unless the leaving one stands in it exactly once."""
    n = len(gone)
    at = [i for i in range(len(output) - n + 1) if output[i : i + n] == gone]
    return output[: at[0]] + come + output[at[0] + n :] if len(at) == 1 else None


def _places(texts: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Each token with the numbers of the texts that hold it, in order of appearance."""
    found: dict[str, list[int]] = defaultdict(list)
    for i, text in enumerate(texts):
        for token in dict.fromkeys(text.split()):
            found[token].append(i)
    return {token: tuple(where) for token, where in found.items()}


def _alike(words: Sequence[str], tokens: Sequence[str]) -> dict[str, str]:
    """Pairs of the longest common beginning, each word and token once."""
    scored = [(_common(w, t), i, j) for i, w in enumerate(words) for j, t in enumerate(tokens)]
    found: dict[str, str] = {}
    for n, i, j in sorted(scored, key=lambda s: (-s[0], s[1], s[2])):
        if n >= ALIKE and words[i] not in found and tokens[j] not in found.values():
            found[words[i]] = tokens[j]
    return found


def _common(one: str, other: str) -> int:
    """Letters that two words begin with in common, in small letters."""
    pairs = zip(one.lower(), other.lower(), strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))

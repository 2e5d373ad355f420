"""SimpleAlign: which output words an input word stands for, from co-occurrence alone.

Akyürek and Andreas 2021, "Lexicon Learning for Few Shot Sequence Modeling", section 4 (the released code's
rules and order).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

Lexicon = dict[str, dict[str, int]]


def simple_align(pairs: Iterable[tuple[str, str]], epsilon: int = 3) -> Lexicon:
    """Input word to output words with the number of training pairs that hold both.

    An output word stays with an input word only if every pair that has the one has the other; output words
    claimed by more than `epsilon` input words say nothing and go; one claimed by several, of which exactly
    one is in all of its pairs, stays with that one.
    """
    together: dict[str, Counter[str]] = defaultdict(Counter)
    seen_x: Counter[str] = Counter()
    seen_y: Counter[str] = Counter()
    for x, y in pairs:
        words, images = set(x.split()), set(y.split())
        seen_x.update(words)
        seen_y.update(images)
        for word in words:
            together[word].update(images)
    lexicon = {
        word: {image: n for image, n in images.items() if n == seen_x[word]}
        for word, images in together.items()
    }
    claims: dict[str, list[str]] = defaultdict(list)
    for word, images in lexicon.items():
        for image in images:
            claims[image].append(word)
    for image, words in claims.items():
        keep = set(words)
        if len(words) > epsilon:
            keep = set()
        elif len(words) > 1:
            always = [w for w in words if lexicon[w][image] == seen_y[image]]
            keep = set(always) if len(always) == 1 else keep
        for word in set(words) - keep:
            del lexicon[word][image]
    return {
        word: {image: n + (image == word) for image, n in sorted(images.items())}
        for word, images in sorted(lexicon.items())
        if images
    }

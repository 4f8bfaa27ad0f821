"""Few combinations of words in which every two of different factors meet, or every word comes at all."""

import random
from collections.abc import Iterator, Sequence
from itertools import combinations, product

FEW, WORDS, PAIRS, TRIPLES, ALL = -1, 1, 2, 3, 0
"""How many: so that every word of a short list comes, every word, every two or three together, or all combinations."""


def covering(levels: Sequence[Sequence[str]], strength: int) -> Iterator[tuple[str, ...]]:
    """Yield combinations in which any |strength| words of different factors meet, of many draws at a time the best."""
    if strength == ALL:
        yield from product(*levels)
        return
    places = [[(f, w) for w in range(len(words))] for f, words in enumerate(levels)]
    left = {found for chosen in combinations(places, abs(strength)) for found in product(*chosen)}
    draw = random.Random(0)
    while left:
        needed = min(left)
        drawn = [[draw.randrange(len(words)) for words in levels] for _ in range(60)]
        for words in drawn:
            for f, w in needed:
                words[f] = w
        met = [set(combinations(enumerate(words), abs(strength))) & left for words in drawn]
        best = max(range(len(met)), key=lambda k: len(met[k]))
        left -= met[best]
        yield tuple(levels[f][w] for f, w in enumerate(drawn[best]))

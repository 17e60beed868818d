"""Pairs of Spanish and English number words: generated ones, and real ones from verses.

The Spanish is that of the Reina Valera of 1909: `diez y ocho`, `veinte y dos`, `y` before
the last part that may be there or not, and feminine hundreds.
"""

import re
from collections.abc import Sequence

import numpy as np

WORDS = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen",
    "en tens": "twenty thirty forty fifty sixty seventy eighty ninety",
    "es": "cero un dos tres cuatro cinco seis siete ocho nueve diez once doce trece "
    "catorce quince",
    "es tens": "diez veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "es hundreds": "ciento dosci tresci cuatroci quini seisci seteci ochoci noveci",
}
ENGLISH, ENGLISH_TENS, SPANISH, SPANISH_TENS, SPANISH_HUNDREDS = (
    words.split() for words in WORDS.values()
)
ALSO_SPANISH = {"uno", "una", "cien", "mil"}


def english_number(number: int) -> str:
    """Write a number from 1 to 999,999 in English words, without hyphens.

    Args:
        number: The number.

    Returns:
        Its words, small, with spaces between them.
    """
    if not 1 <= number < 1_000_000:
        raise ValueError(f"number is {number}, wanted 1 to 999,999")
    thousands, rest = divmod(number, 1000)
    parts = [english_number(thousands), "thousand"] if thousands else []
    hundreds, rest = divmod(rest, 100)
    parts += [ENGLISH[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        parts.append(ENGLISH_TENS[rest // 10 - 2])
        rest %= 10
    return " ".join([*parts, ENGLISH[rest]] if rest else parts)


def spanish_number(number: int, generator: np.random.Generator) -> str:
    """Write a number from 1 to 999,999 in old Spanish words, with its free choices.

    Args:
        number: The number.
        generator: Makes the free choices.

    Returns:
        Its words, small, with spaces between them.
    """
    ending = ("entos", "entas")[int(generator.integers(2))]
    loose = generator.random() < 0.4  # an `y` after the hundreds and thousands
    thousands, rest = divmod(number, 1000)
    parts = []
    if thousands > 1:
        parts.append(_below_thousand(thousands, ending, loose=False))
    if thousands:
        parts.append("mil")
    if rest:
        parts += ["y"] if parts and loose and generator.random() < 0.7 else []
        parts.append(_below_thousand(rest, ending, loose))
    return " ".join(parts)


def _below_thousand(number: int, ending: str, loose: bool) -> str:
    hundreds, rest = divmod(number, 100)
    parts = []
    if hundreds:
        stem = SPANISH_HUNDREDS[hundreds - 1]
        parts.append(stem if hundreds == 1 else stem + ending)
        parts += ["y"] if loose and rest and (rest % 10 == 0 or rest < 16) else []
    if 0 < rest < 16:
        parts.append(SPANISH[rest])
    elif rest:
        parts.append(SPANISH_TENS[rest // 10 - 1])
        parts += ["y", SPANISH[rest % 10]] if rest % 10 else []
    return " ".join(parts)


def number_pairs(
    count: int, seed: int = 0, skip: Sequence[str] = ()
) -> tuple[list[str], list[str]]:
    """Write random numbers in both languages, short and long ones as often.

    Args:
        count: Number of pairs.
        seed: Seed of the numbers and of the free choices in Spanish.
        skip: English number words that must not occur, because they are the test.

    Returns:
        The Spanish and the English side.
    """
    generator = np.random.default_rng(seed)
    left: list[str] = []
    right: list[str] = []
    hidden = set(skip)
    while len(left) < count:
        number = int(10 ** generator.uniform(1, 5.8))
        english = english_number(number)
        if english not in hidden:
            left.append(spanish_number(number, generator))
            right.append(english)
    return left, right


def number_phrases(
    spanish: Sequence[str], english: Sequence[str]
) -> list[tuple[str, str]]:
    """Cut the numbers out of real verses.

    Args:
        spanish: Verses.
        english: The same verses.

    Returns:
        Each pair of number words once, from verses with one number of several words in
        both languages.
    """
    hundreds = {stem + end for stem in SPANISH_HUNDREDS[1:] for end in ("entos", "entas")}
    ours = {*SPANISH, *SPANISH_TENS, *hundreds, *ALSO_SPANISH, "ciento"}
    theirs = {*ENGLISH, *ENGLISH_TENS, "hundred", "thousand"}
    pairs: dict[tuple[str, str], None] = {}
    for left, right in zip(spanish, english, strict=True):
        one, two = _runs(left, ours, "y"), _runs(right, theirs, "and")
        if len(one) == len(two) == 1 and len(one[0].split()) > 2:
            pairs[one[0], two[0]] = None
    return list(pairs)


def _runs(text: str, wanted: set[str], glue: str) -> list[str]:
    found: list[list[str]] = [[]]
    for word in re.findall(r"\w+", text.lower()):
        if word in wanted or (word == glue and found[-1]):
            found[-1].append(word)
        elif found[-1]:
            found.append([])
    cleaned = [" ".join(run).removesuffix(f" {glue}") for run in found]
    return [run for run in cleaned if " " in run]

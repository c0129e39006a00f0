"""Korean particles: which of a pair follows a word, by the sound that the word ends in."""

from __future__ import annotations

PAIRS = {
    pair: tuple(pair.split("/"))
    for pair in ("이/가", "은/는", "을/를", "과/와", "으로/로", "이라/라", "이나/나", "이며/며")
}
RIEUL = 8
"""The index of ㄹ among the final consonants of a Hangul syllable."""
DIGIT_FINALS = {"0": 21, "1": 8, "2": 0, "3": 16, "4": 0, "5": 0, "6": 1, "7": 8, "8": 8, "9": 0}
"""영 일 이 삼 사 오 육 칠 팔 구: the final consonant of each digit as it is read."""
LATIN_FINALS = {"l": RIEUL, "m": 16, "n": 4, "r": RIEUL, "b": 17, "c": 1, "k": 1, "p": 17, "t": 19}
"""Letters after which a borrowed word ends in a consonant; names of letters alone, L M N R."""


def with_particle(word: str, pair: str) -> str:
    """The word with the particle of the pair (consonant form first) that fits its last sound.

    Raises: KeyError for a pair that is not in `PAIRS`.

    >>> with_particle("체크포인트", "이/가"), with_particle("실행", "이/가")
    ('체크포인트가', '실행이')
    >>> with_particle("파일", "으로/로"), with_particle("step 3", "으로/로")
    ('파일로', 'step 3으로')
    """
    closed, open_ = PAIRS[pair]
    final = _final(word)
    if pair == "으로/로" and final == RIEUL:
        return word + open_
    return word + (closed if final else open_)


def _final(word: str) -> int:
    """The final consonant of the word's last syllable as it is read aloud, 0 for a vowel."""
    for letter in reversed(word):
        if "가" <= letter <= "힣":
            return (ord(letter) - ord("가")) % 28
        if letter in DIGIT_FINALS:
            return DIGIT_FINALS[letter]
        if letter.isascii() and letter.isalpha():
            if letter.isupper() and letter not in "LMNR":
                return 0
            return LATIN_FINALS.get(letter.lower(), 0)
        if letter == "%":
            return 0
    return 0

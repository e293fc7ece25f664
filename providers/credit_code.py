"""The unified social credit code (统一社会信用代码) of GB 32100-2015 and its check character."""

from __future__ import annotations

import re

# 31 characters: digits and letters without I, O, S, V, Z (GB 32100-2015, table 2).
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# Authority and kind, division code of the registering office, organisation code with its own check, check character.
# DEM0 stands where a division code would: such a code can belong to no real company.
SHAPE = r"^[0-9A-HJ-NPQRTUWXY]{2}([0-9]{6}|DEM0[0-9]{2})[0-9A-HJ-NPQRTUWXY]{10}$"
_VALUES = {character: value for value, character in enumerate(ALPHABET)}


def normalised(text: str) -> str:
    """Return what was typed without spaces and hyphens, in capitals."""
    return re.sub(r"[\s-]", "", text).upper()


def check_character(body: str) -> str:
    """Return the 18th character for the first 17 (weights 3^i mod 31); ValueError for a foreign character."""
    if len(body) != 17 or not set(body) <= _VALUES.keys():
        raise ValueError("the body of a credit code has 17 characters of its alphabet")
    total = sum(_VALUES[character] * pow(3, place, 31) for place, character in enumerate(body))
    return ALPHABET[-total % 31]


def complete(body: str) -> str:
    """Return the whole code of 18 characters for its first 17."""
    return body + check_character(body)


def is_valid(code: str) -> bool:
    """Tell whether the code has the shape of the standard and the right check character."""
    return re.fullmatch(SHAPE, code) is not None and check_character(code[:17]) == code[17]

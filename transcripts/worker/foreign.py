"""Values that strangers wrote (titles, reasons, numbers, language codes), made safe to store and to show."""

import re
import unicodedata

# Text that turns the reading direction around can make a title say something else than it holds
# (https://trojansource.codes). Joiners stay: emoji are made of them.
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LONGEST_MS = 366 * 24 * 3600 * 1000
# Codes that YouTube still uses, and what BCP 47 prefers
# (https://www.iana.org/assignments/language-subtag-registry).
_PREFERRED = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro"}
_TAG = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8}){0,4}")


def one_line(text: object, limit: int) -> str:
    """``text`` without control characters, lone surrogates and runs of white space; at most ``limit`` characters.

    What is no text (YouTube left it out) is an empty line.
    """
    if not isinstance(text, str):
        return ""
    kept = (" " if unicodedata.category(c) in ("Cc", "Cs") or c in _BIDI else c for c in text[: limit * 4])
    line = " ".join("".join(kept).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def milliseconds(value: object, unit_ms: int = 1) -> int | None:
    """A time as integer milliseconds; None for what cannot be one (no number, negative, infinite, above a year)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    time = value * unit_ms
    return round(time) if 0 <= time <= _LONGEST_MS else None  # NaN is never between two numbers


def language_tag(code: object) -> str | None:
    """A language code as a BCP 47 tag in its usual spelling (``pt_br`` -> ``pt-BR``), None for anything else."""
    if not isinstance(code, str) or len(code) > 35 or not _TAG.fullmatch(tag := code.strip().replace("_", "-").lower()):
        return None
    language, *rest = tag.split("-")
    # https://www.rfc-editor.org/rfc/rfc5646#section-2.1.1: scripts are Capitalised, countries are UPPER CASE
    spelt = (part.title() if len(part) == 4 else part.upper() if len(part) == 2 else part for part in rest)
    return "-".join([_PREFERRED.get(language, language), *spelt])

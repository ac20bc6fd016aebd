"""How much of a text a speech engine got wrong."""

import re


def word_error_rate(said: str, heard: str) -> float:
    """Words that were changed, left out or added, for each word that was said. Case and punctuation do not count."""
    reference, answer = words(said), words(heard)
    # The edit distance, row by row: after a row, costs[j] is that of the words so far to answer[:j].
    costs = list(range(len(answer) + 1))
    for i, word in enumerate(reference, start=1):
        diagonal, costs[0] = costs[0], i
        for j, other in enumerate(answer, start=1):
            diagonal, costs[j] = costs[j], min(diagonal + (word != other), costs[j] + 1, costs[j - 1] + 1)
    return costs[-1] / len(reference)


def words(text: str) -> list[str]:
    """Take the words alone, in small letters; a hyphen parts them, an apostrophe does not."""
    spelled = text.lower().replace("mr.", "mister").replace("'", "").replace("’", "")
    return re.findall(r"\w+", spelled)

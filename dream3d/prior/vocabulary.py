"""The words of a prior, and the honest account of which of a prompt it knows."""

import difflib
import re
from dataclasses import dataclass

PLURALS = (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe"))  # endings, and of one


@dataclass(frozen=True)
class Vocabulary:
    """The words a prior was trained on, by what they say."""

    nouns: tuple[str, ...]  # "mushroom", "pine tree": may hold several words
    colors: tuple[str, ...]
    parts: tuple[str, ...]
    sizes: tuple[str, ...]
    function_words: tuple[str, ...]
    materials: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()  # "next to": may hold several words
    views: tuple[str, ...] = ()  # "front view": where the camera stands, for a prior that is not told

    def content_words(self) -> frozenset[str]:
        """Single words that change the picture."""
        phrases = (*self.nouns, *self.colors, *self.parts, *self.sizes)
        phrases += (*self.materials, *self.patterns, *self.relations)
        return frozenset(word for phrase in phrases for word in split_words(phrase))

    def read(self, text: str) -> list[str]:
        """The words of a text; plurals of known words become these."""
        content = self.content_words()
        return [word if word in content else _singular(word, content) for word in split_words(text)]

    def names_thing(self, text: str) -> bool:
        """Whether a text, in singular or plural, holds a noun."""
        return bool(self.things_in(text))

    def names_part(self, text: str) -> bool:
        """Whether a text speaks of a part."""
        return not set(self.read(text)).isdisjoint(self.parts)

    def things_in(self, text: str) -> list[str]:
        """The nouns of a text, in singular. Of those side by side ("apple tree") only the last is a thing."""
        nouns = {tuple(split_words(noun)) for noun in self.nouns}
        found, was_noun, rest = list[str](), False, self.read(_without_compounds(text, nouns))
        longest = max(map(len, nouns), default=0)
        while rest:
            length = next((n for n in range(longest, 0, -1) if tuple(rest[:n]) in nouns), 0)
            if length:
                found[len(found) - was_noun :] = [" ".join(rest[:length])]
            was_noun, rest = length > 0, rest[length or 1 :]
        return found

    def known(self) -> frozenset[str]:
        """All single words the prior has seen."""
        views = {word for phrase in self.views for word in split_words(phrase)}
        return self.content_words() | views | frozenset(self.function_words)


def _without_compounds(text: str, nouns: set[tuple[str, ...]]) -> str:
    """The text without words that are put together ("well-worn"), but for nouns ("pine-tree")."""

    def kept(compound: re.Match[str]) -> str:
        words = tuple(split_words(compound[0]))
        return " ".join(words) if words in nouns else " "

    return re.sub(r"\w+(?:-\w+)+", kept, text)


def split_words(text: str) -> list[str]:
    """Lower-case words of a text; everything but letters and digits separates."""
    return re.findall(r"[a-z0-9]+", text.lower())


def _singular(word: str, content: frozenset[str]) -> str:
    """The known word that a word is the plural of, else the word."""
    for ending, singular in PLURALS:
        if word.endswith(ending) and word.removesuffix(ending) + singular in content:
            return word.removesuffix(ending) + singular
    return word


def unknown_words(prompt: str, vocabulary: Vocabulary) -> dict[str, list[str]]:
    """Words of the prompt that the prior never saw, each with up to three nearest known ones."""
    known = vocabulary.known()
    content = sorted(vocabulary.content_words())
    missing = [word for word in vocabulary.read(prompt) if word not in known]
    return {word: difflib.get_close_matches(word, content, n=3, cutoff=0.5) for word in missing}


def keep_known(prompt: str, vocabulary: Vocabulary) -> str:
    """The prompt without the words the prior never saw: an unknown word can only add noise."""
    known = vocabulary.known()
    return " ".join(word for word in vocabulary.read(prompt) if word in known)


def plain_prompt(prompt: str, vocabulary: Vocabulary) -> str:
    """What thing a prompt names, and in which color: "red chest".

    Materials, patterns, sizes and all that is said of parts is left out. The prompt itself where it says none
    of that, or speaks of two things: of these the built-in prior tends to draw one, and what is emphasized
    takes over.
    """
    nouns = sorted(map(split_words, vocabulary.nouns), key=len, reverse=True)  # "pine tree" before "tree"
    adjectives = {*vocabulary.materials, *vocabulary.patterns, *vocabulary.sizes, "and"}
    said = split_words(prompt)
    rest, found, colors = said, list[str](), list[str]()  # colors of the thing that comes next
    while rest:
        noun = next((noun for noun in nouns if rest[: len(noun)] == noun), [])
        if rest[0] in vocabulary.colors:
            colors.append(rest[0])
        elif noun or rest[0] not in adjectives:
            found += (*colors, *noun) if noun else ()
            colors.clear()
        rest = rest[len(noun) or 1 :]
    is_pair = any(f" {relation} " in " ".join(said) for relation in vocabulary.relations)
    says_more = not vocabulary.content_words() & set(said) <= set(found)
    return " ".join(found) if found and says_more and not is_pair else prompt

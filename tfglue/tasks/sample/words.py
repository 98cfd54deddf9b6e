"""Content words of the sample sentences: some of them never occur in train."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """Words of one kind.

    Args:
        seen: words of every split.
        held_out: words of dev and test alone. No label ever hangs on one of them.
    """

    seen: tuple[str, ...]
    held_out: tuple[str, ...]


def _words(seen: str, held_out: str) -> Words:
    return Words(tuple(seen.split()), tuple(held_out.split()))


CONTENT = {
    "name": _words(
        "Anna Ben Clara David Emma Felix Grace Henry Ida Jonas Karim Laura Mateo Nina Oscar Paula "
        "Quentin Rita Simon Tara Victor Wanda Yusuf Zoe",
        "Amelie Bjorn Chiara Dmitri Esther Farid Greta Hugo Ingrid Jamal Kenji Leila",
    ),
    "town": _words(
        "Ashford Brindle Calder Dunmore Elmstead Farley Greywick Harrow Kelby Lowfield Marsden "
        "Norwick Oakham Redmill Stanton Westby",
        "Alderby Coldwater Fernhill Hazelton Ivydale Millbrook Thornbury Wexmoor",
    ),
    "person": _words(
        "teacher nurse farmer waiter student doctor baker driver singer painter gardener lawyer",
        "plumber tailor librarian sailor dentist carpenter chemist pilot",
    ),
    "spot": _words(
        "park garden kitchen yard street station library market field square hall cafe school "
        "theatre",
        "orchard courtyard harbour meadow gallery workshop bakery stadium",
    ),
    "thing": _words(
        "kite lamp chair book basket bottle clock drum mirror camera guitar hammer ladder blanket "
        "table radio",
        "teapot lantern pillow violin bucket compass telescope candle",
    ),
    "food": _words(
        "soup bread rice cheese cake salad pasta honey butter toast chicken fish",
        "porridge lasagna yogurt marmalade popcorn spinach",
    ),
    "show": _words(
        "film movie play concert musical comedy drama series story novel song album show book "
        "sequel cartoon",
        "opera documentary thriller ballet podcast memoir sitcom western",
    ),
    "source": _words(
        "letter report guidebook newspaper notice article speech handbook",
        "brochure diary leaflet magazine website poster",
    ),
    "company": _words(
        "Arbo Belltec Corvina Delmar Evanti Fenwood Garlo Hestia Kelvor Lumina Morvex Orlin",
        "Pellar Quorra Rovano Sandrel Tavix Ulmar Verano Zentor",
    ),
    "topic": _words(
        "pottery chess photography cooking gardening painting karate knitting sailing dancing "
        "astronomy poetry",
        "origami carpentry archery calligraphy beekeeping juggling fencing surfing",
    ),
    "building": _words(
        "bridge library museum tower school mill chapel theatre station hospital",
        "lighthouse windmill castle stable warehouse aquarium",
    ),
}

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
NUMBERS = ("two", "three", "four", "five", "six")
COLOURS = ("red", "blue", "green", "yellow", "white")


def held_out() -> frozenset[str]:
    """All held-out words, in lower case."""
    return frozenset(word.lower() for words in CONTENT.values() for word in words.held_out)


def with_article(noun: str) -> str:
    """The noun phrase with ``a`` or ``an`` before it."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def sentence(text: str) -> str:
    """The text with a capital at its start and a full stop if it has no end yet."""
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else text + "."

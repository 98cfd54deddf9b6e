"""Premise and hypothesis with three labels: snli (captions), mnli and ax (statements)."""

from tfglue.tasks.sample.draw import Draw
from tfglue.tasks.sample.words import COLOURS, NUMBERS, sentence, with_article

# What people do in captions: ways to say it in a premise, ways to say it in a hypothesis. The first
# two exclude each other, and so do the last two.
ACTIVITIES = {
    "sleep": (("is sleeping", "is taking a nap"), ("is asleep", "is resting")),
    "run": (("is jogging", "is sprinting"), ("is running", "is moving fast")),
    "eat": (("is having lunch", "is chewing an apple"), ("is eating", "is having food")),
    "read": (("is studying a book", "is turning pages"), ("is reading", "is reading something")),
}
RIVALS = {"sleep": "run", "run": "sleep", "eat": "read", "read": "eat"}
GARMENTS = ("coat", "hat", "scarf", "shirt")
# A kind, and members of it; the first two are taken for each other, and so are the last two.
KINDS = {
    "dog": ("poodle", "terrier"),
    "bird": ("robin", "parrot"),
    "flower": ("tulip", "daisy"),
    "boat": ("canoe", "ferry"),
}
MISTAKEN = {"dog": "bird", "bird": "dog", "flower": "boat", "boat": "flower"}
# True hypotheses speak of the first and third oftener, false ones of the others: a model that
# learns from nothing finds the relation of the two sentences more easily from uneven counts.
LEANING = {"entailment": (3, 1, 3, 1), "neutral": (1, 1, 1, 1), "contradiction": (1, 3, 1, 3)}


def _leaning(draw: Draw, groups: dict[str, tuple], label: str) -> str:
    return draw.weighted(dict(zip(groups, LEANING[label], strict=True)))


def _activity(draw: Draw, label: str) -> tuple[str, str]:
    person, place = draw.content("person"), f"in the {draw.content('spot')}"
    done = _leaning(draw, ACTIVITIES, label)
    hypothesis = f"the {person} {draw.one(ACTIVITIES[done][1])}"
    if label == "neutral":
        # Half of the neutral hypotheses add what no premise tells: a part that is easy to learn.
        if draw.chance(0.5):
            premise = f"{with_article(person)} is {draw.one(('standing', 'waiting'))} {place}"
            return premise, hypothesis
        extra = draw.one(("before work", "because of a bet", "for the first time"))
        premise = f"{with_article(person)} {draw.one(ACTIVITIES[done][0])} {place}"
        return premise, f"{hypothesis} {extra}"
    if label == "contradiction":
        if draw.chance(0.25):
            return draw.one((f"nobody is {place}", f"there are no people {place}")), hypothesis
        done = RIVALS[done]
    return f"{with_article(person)} {draw.one(ACTIVITIES[done][0])} {place}", hypothesis


def _colour(draw: Draw, label: str) -> tuple[str, str]:
    person, garment, colour = draw.content("person"), draw.one(GARMENTS), draw.one(COLOURS)
    worn = {
        "entailment": f"a {colour} {garment}",
        "neutral": f"a {draw.one(('long', 'new', 'warm'))} {garment}",
        "contradiction": f"a {draw.other(COLOURS, colour)} {garment}",
    }[label]
    doing = f"{draw.one(('stands', 'sits', 'waits'))} in the {draw.content('spot')}"
    hypothesis = draw.one((f"the {garment} is {colour}", f"somebody wears a {colour} {garment}"))
    return f"{with_article(person)} in {worn} {doing}", hypothesis


def _count(draw: Draw, label: str) -> tuple[str, str]:
    people, number = draw.one(("boys", "women", "children", "tourists")), draw.one(NUMBERS)
    counted = {
        "entailment": number,
        "neutral": draw.one(("several", "many", "some")),
        "contradiction": draw.other(NUMBERS, number),
    }[label]
    doing = draw.one(("standing", "singing", "dancing"))
    hypothesis = f"{number} {people} are in the picture"
    return f"{counted} {people} are {doing} in the {draw.content('spot')}", hypothesis


def _kind(draw: Draw, label: str) -> tuple[str, str]:
    person, kind = draw.content("person"), _leaning(draw, KINDS, label)
    seen = {
        "entailment": draw.one(KINDS[kind]),
        "neutral": "something",
        "contradiction": draw.one(KINDS[MISTAKEN[kind]]),
    }[label]
    seen = seen if seen == "something" else f"a {seen}"
    verb = draw.one(("is looking at", "is pointing at", "is painting"))
    where = f"near the {draw.content('spot')}"
    premise, hypothesis = f"{with_article(person)} {verb} {seen} {where}", f"the {person} {verb}"
    return premise, f"{hypothesis} a {kind}"


def snli(draw: Draw, label: str) -> tuple[str, str]:
    """A caption of a scene, and a statement about the same scene."""
    families = {_activity: 0.55, _colour: 0.1, _count: 0.05, _kind: 0.3}
    premise, hypothesis = draw.weighted(families)(draw, label)
    return sentence(premise), sentence(hypothesis)


# Qualities: ways to say one end, ways to say the other.
QUALITIES = (
    (("cheap", "inexpensive"), ("expensive", "costly")),
    (("quiet", "peaceful"), ("noisy", "loud")),
    (("clean", "spotless"), ("dirty", "filthy")),
    (("huge", "very large"), ("tiny", "very small")),
)
# How a plan ended: done, not done, or not known; each goes before a bare verb.
OUTCOMES = {
    "done": ("managed to", "was able to", "remembered to", "was quick to"),
    "not done": ("failed to", "refused to", "forgot to", "was unable to"),
    "unknown": ("hoped to", "planned to", "wanted to", "promised to"),
}
ACTS = (("sell", "sold"), ("repair", "repaired"), ("paint", "painted"), ("buy", "bought"))
AMOUNTS = {  # (amount in the premise, amount in the hypothesis)
    "entailment": (("all", "some"), ("all", "all"), ("some", "some"), ("none", "none")),
    "neutral": (("some", "all"), ("some", "most"), ("most", "all")),
    "contradiction": (("all", "none"), ("none", "some"), ("none", "all"), ("some", "none")),
}


def _quality(draw: Draw, label: str) -> tuple[str, str]:
    building = draw.content("building")
    quality = draw.one(QUALITIES)
    ends = draw.shuffled(quality)
    hypothesis = f"the {building} was {draw.one(ends[0])}"
    where = f"in {draw.content('town')}"
    if label == "neutral":
        found = draw.one((f"near the {draw.content('spot')}", "by the river", "on our way"))
    else:
        found = draw.one(ends[0] if label == "entailment" else ends[1])
    return f"the {building} {where} was {found}", hypothesis


def _outcome(draw: Draw, label: str) -> tuple[str, str]:
    name, thing, (act, acted) = draw.content("name"), draw.content("thing"), draw.one(ACTS)
    negated = draw.chance(0.5 if label == "neutral" else 0.25)
    if label == "neutral":
        outcome = "unknown"
    else:
        outcome = "done" if (label == "entailment") != negated else "not done"
    hypothesis = f"{name} did not {act} the {thing}" if negated else f"{name} {acted} the {thing}"
    return f"{name} {draw.one(OUTCOMES[outcome])} {act} the {thing}", hypothesis


def _amount(draw: Draw, label: str) -> tuple[str, str]:
    people = draw.one(("guests", "players", "workers"))
    doing = draw.one(("came back", "left early"))
    amounts = draw.one(AMOUNTS[label])
    premise, hypothesis = (f"{amount} of the {people} {doing}" for amount in amounts)
    return f"{premise} from the {draw.content('spot')}", hypothesis


def mnli(draw: Draw, label: str) -> tuple[str, str]:
    """A statement, at times with its source before it, and another about the same matter."""
    families = {_outcome: 0.5, _quality: 0.3, _amount: 0.2}
    premise, hypothesis = draw.weighted(families)(draw, label)
    if draw.chance(0.35):
        premise = f"according to the {draw.content('source')}, {premise}"
    return sentence(premise), sentence(hypothesis)

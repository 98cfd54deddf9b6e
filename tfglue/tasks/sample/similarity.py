"""Pairs that mean the same or not: mrpc (news), qqp (questions), stsb (graded)."""

from tfglue.tasks.sample.draw import Draw
from tfglue.tasks.sample.words import NUMBERS, WEEKDAYS, sentence, with_article

# Two ways to say it, and two ways to say the opposite: (past form, past form).
EVENTS = (
    (("bought", "acquired"), ("sold", "got rid of"), "the {thing} factory"),
    (("opened", "launched"), ("closed", "shut down"), "its office in {town}"),
    (("raised", "increased"), ("lowered", "cut"), "the price of {food}"),
    (("hired", "took on"), ("dismissed", "laid off"), "{number} engineers"),
)
SPEAKERS = ("a spokesman", "the company", "an official", "the chairman")


def mrpc(draw: Draw, label: str) -> tuple[str, str]:
    """Two news sentences: same event, same day and same count, or one of them changed."""
    equal = label == "equivalent"
    ways, opposites, what = draw.one(EVENTS)
    if draw.chance(0.3):
        ways, opposites = opposites, ways
    day, number = draw.one(WEEKDAYS), draw.one(NUMBERS)
    company = draw.content("company")
    speaker = f", {draw.one(SPEAKERS)} said" if draw.chance(0.3) else ""
    slots = {"thing": draw.content("thing"), "town": draw.content("town")}
    slots |= {"food": draw.content("food")}
    one, two = draw.two(ways)
    second_day, second_number, denial = day, number, ""
    if not equal:
        changes = {"verb": 0.5, "day": 0.15, "denial": 0.4}
        change = draw.weighted(changes | ({"number": 0.15} if "number" in what else {}))
        if change == "verb":
            two = draw.one(opposites)
        elif change == "day":
            second_day = draw.other(WEEKDAYS, day)
        elif change == "number":
            second_number = draw.other(NUMBERS, number)
        else:
            denial = draw.one(("never ", "almost ", "nearly "))
    first = f"{company} {one} {what.format(number=number, **slots)}"
    second = f"{company} {denial}{two} {what.format(number=second_number, **slots)}"
    return (
        sentence(f"{first} on {day}{speaker}"),
        sentence(
            draw.one(
                (
                    f"on {second_day}, {second}",
                    f"{draw.one(SPEAKERS)} said that {second} on {second_day}",
                    f"{second} on {second_day}",
                )
            )
        ),
    )


# What is asked, and ways to ask it.
INTENTS = {
    "how": (
        "how can I learn {topic}?",
        "what is the best way to get into {topic}?",
        "how does a beginner start with {topic}?",
    ),
    "why": (
        "why do people like {topic}?",
        "what is the reason so many people enjoy {topic}?",
        "what makes {topic} so popular?",
    ),
    "cost": (
        "how much does {topic} cost?",
        "is {topic} an expensive hobby?",
        "what is the price of {topic} lessons?",
    ),
    "time": (
        "how long does it take to master {topic}?",
        "how many years of {topic} make an expert?",
        "how soon will I be skilled at {topic}?",
    ),
    "place": (
        "where can I find the nearest {topic} club?",
        "is there a group for {topic} near me?",
        "which town has good {topic} courses?",
    ),
}
# Pairs of askings whose direction or sense turns: (way, way, turned way, turned way).
TURNS = (
    ("how do I get from {a} to {b}?", "what is the way from {a} to {b}?",
     "how do I get from {b} to {a}?", "what is the way from {b} to {a}?"),
    ("how can I warm up the {spot}?", "what makes the {spot} warmer?",
     "how can I cool down the {spot}?", "what makes the {spot} cooler?"),
    ("how can I save money in {a}?", "how do I spend less in {a}?",
     "how can I earn money in {a}?", "how do I make more in {a}?"),
    ("what should I eat before {topic}?", "which meal is best before {topic}?",
     "what should I eat after {topic}?", "which meal is best after {topic}?"),
)  # fmt: skip


def qqp(draw: Draw, label: str) -> tuple[str, str]:
    """Two questions that ask the same thing, or another thing about the same topic."""
    equal = label == "duplicate"
    topic = draw.content("topic")
    if draw.chance(0.25):
        a, b = draw.two(TOWNS)
        ways = draw.one(TURNS)
        sides = [ways[:2], ways[2:]]
        if draw.chance(0.5):
            sides.reverse()
        slots = {"a": a, "b": b, "spot": draw.content("spot"), "topic": topic}
        if equal:
            first, second = draw.shuffled(sides[0])
        else:
            first, second = draw.one(sides[0]), draw.one(sides[1])
    else:
        slots = {"topic": topic}
        # Some intents are asked twice more often than others: a part that is easy to learn.
        often = ("how", "why") if equal else ("cost", "time", "place")
        intent = draw.one(often) if draw.chance(0.4) else draw.one(tuple(INTENTS))
        if equal:
            first, second = draw.two(INTENTS[intent])
        else:
            first = draw.one(INTENTS[intent])
            second = draw.one(INTENTS[draw.other(tuple(INTENTS), intent)])
    intro = draw.one(
        (
            "",
            f"I live in {draw.content('town')}. ",
            f"I am {with_article(draw.content('person'))}. ",
            f"{draw.content('name')} asks: ",
        )
    )
    first, second = sentence(first.format(**slots)), sentence(second.format(**slots))
    return intro + first, second


TOWNS = ("Ashford", "Calder", "Marsden", "Oakham")  # they decide a label, so none is held out

# topic -> ways to say the action, and its objects
SCENES = {
    "music": (("playing", "practising"), ("guitar", "piano", "flute", "trumpet")),
    "kitchen": (("cutting", "slicing"), ("onion", "carrot", "potato", "lemon")),
    "animals": (("feeding", "brushing"), ("dog", "horse", "cat", "goat")),
    "repair": (("fixing", "painting"), ("fence", "door", "bicycle", "boat")),
}
DETAILS = (("a", "the"), ("is", "was"), ("young ", ""))
WHO = ("man", "woman", "boy", "girl")
UNRELATED = (
    "The train to {town} left late on {day}.",
    "It will rain in {town} on {day}.",
    "The market in {town} opens on {day}.",
    "The shop in {town} is closed on {day}.",
)

# A score is 0.85 a level, plus 0.25 for each of three small details that is kept.
SCORES = {f"{0.85 * level + 0.25 * kept:.3f}": (level, kept) for level in range(6)
          for kept in range(4)}  # fmt: skip


def stsb(draw: Draw, label: str) -> tuple[str, str]:
    """Two captions. From level 5 down: all the same; no place; other person; other object;
    other action and object; other topic. The small details are article, tense and adjective.
    """
    level, kept = SCORES[label]
    topic = draw.one(tuple(SCENES))
    actions, objects = SCENES[topic]
    action, thing, who = draw.one(actions), draw.one(objects), draw.one(WHO)
    details = [draw.one(options) for options in DETAILS]
    places = [f" in the {draw.content('spot')}"] * 2
    if level <= 4:
        places[0 if draw.chance(0.3) else 1] = ""
    first = sentence(_caption(details, who, action, thing, places[0]))
    if level == 0:
        if draw.chance(0.6):
            return first, draw.one(UNRELATED).format(
                town=draw.content("town"), day=draw.one(WEEKDAYS)
            )
        actions, objects = SCENES[draw.other(tuple(SCENES), topic)]
        action, thing = draw.one(actions), draw.one(objects)
    if level == 1:
        action = draw.other(actions, action)
    if level in (1, 2):
        thing = draw.other(objects, thing)
    if level <= 3:
        who = draw.other(WHO, who)
    for lost in draw.shuffled(range(3))[kept:]:
        details[lost] = draw.other(DETAILS[lost], details[lost])
    return first, sentence(_caption(details, who, action, thing, places[1]))


def _caption(details: list[str], who: str, action: str, thing: str, place: str) -> str:
    article, tense, adjective = details
    return f"{article} {adjective}{who} {tense} {action} the {thing}{place}"

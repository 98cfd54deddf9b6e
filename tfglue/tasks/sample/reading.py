"""Does the text say so? rte (news), scitail (science), qnli (questions), wnli (pronouns)."""

from tfglue.tasks.sample.draw import Draw
from tfglue.tasks.sample.words import NUMBERS, sentence, with_article

# Ties of a person to a town: ways to say it in a premise, ways to say it in a hypothesis.
TIES = {
    "born": (("was born in", "spent the first years of life in"), ("is a native of", "comes from")),
    "works": (("works at a bank in", "has a job in"), ("is employed in", "earns a living in")),
    "studied": (("went to school in", "studied in"), ("was a student in", "got a degree in")),
    "visited": (("spent a holiday in", "toured"), ("visited", "was a guest in")),
}
ROLES = ("mayor", "judge", "bishop", "coach")
PLANS = {
    "entailment": ("has built", "finished", "completed"),
    "not_entailment": ("may build", "wants", "cannot pay for"),
}


def _tie(draw: Draw, entailed: bool) -> tuple[str, str]:
    name, town, age = draw.content("name"), draw.content("town"), draw.one(("younger", "elder"))
    parent = with_article(draw.content("person"))
    said = tie = draw.one(tuple(TIES))
    if not entailed:
        said = draw.other(tuple(TIES), tie)
    premise = f"{name}, the {age} child of {parent}, "
    return f"{premise}{draw.one(TIES[said][0])} {town}", f"{name} {draw.one(TIES[tie][1])} {town}"


def _role(draw: Draw, entailed: bool) -> tuple[str, str]:
    name, town, role = draw.content("name"), draw.content("town"), draw.one(ROLES)
    said = role if entailed else draw.other(ROLES, role)
    where = f"in the {draw.content('spot')}"
    premise = f"{name}, the {said} of {town}, {draw.one(('gave a talk', 'met the press'))} {where}"
    return premise, f"{name} is the {role} of {town}"


def _plan(draw: Draw, entailed: bool) -> tuple[str, str]:
    town, building = draw.content("town"), draw.content("building")
    way = draw.one(PLANS["entailment" if entailed else "not_entailment"])
    premise = f"the council of {town} {way} a new {building}, the {draw.content('source')} says"
    return premise, f"there is a new {building} in {town}"


def rte(draw: Draw, label: str) -> tuple[str, str]:
    """News about a person or a town, and a claim about the same."""
    family = draw.weighted({_tie: 0.4, _role: 0.25, _plan: 0.35})
    premise, claim = family(draw, label == "entailment")
    return sentence(premise), sentence(claim)


# Facts: agent, verb for it, bare verb, participle, object, auxiliary of the object.
FACTS = (
    ("roots", "absorb", "absorb", "absorbed", "water", "is"),
    ("the heart", "pumps", "pump", "pumped", "blood", "is"),
    ("bees", "carry", "carry", "carried", "pollen", "is"),
    ("the moon", "reflects", "reflect", "reflected", "sunlight", "is"),
    ("magnets", "attract", "attract", "attracted", "iron", "is"),
    ("bones", "support", "support", "supported", "the body", "is"),
    ("wires", "conduct", "conduct", "conducted", "electricity", "is"),
    ("thermometers", "measure", "measure", "measured", "heat", "is"),
)


def scitail(draw: Draw, label: str) -> tuple[str, str]:
    """A science sentence from a lesson, and a fact put the other way round."""
    fact = premise_fact = draw.one(FACTS)
    agent, _, bare, participle, thing, auxiliary = fact
    told = True
    if label == "neutral":
        kind = draw.weighted({"other fact": 0.4, "other agent": 0.25, "not told": 0.35})
        if kind == "other fact":
            premise_fact = draw.other(FACTS, fact)
        elif kind == "other agent":
            agent = draw.other(FACTS, fact)[0]
        told = kind != "not told"
    hypothesis = draw.one(
        (
            f"{thing} {auxiliary} {participle} by {agent}",
            f"one job of {agent} is to {bare} {thing}",
        )
    )
    if told:
        lesson = draw.one(
            (
                "the {source} explains that",
                "{name} learned in {town} that",
                "students in {town} see that",
            )
        )
        clause = " ".join((premise_fact[0], premise_fact[1], premise_fact[4]))
    else:
        lesson = draw.one(("the {source} has a chapter on", "{name} drew a picture of"))
        clause = draw.one((f"{agent} and {thing}", agent, thing))
    slots = {kind: draw.content(kind) for kind in ("source", "name", "town")}
    return sentence(f"{lesson.format(**slots)} {clause}"), sentence(hypothesis)


# What a text may tell of a building, in the order in which it is told, and ways to ask for it.
DETAILS = {
    "material": (
        ("of stone", "of wood", "of red brick"),
        ("what is the {building} made of?", "which material is the {building} built from?"),
    ),
    "builder": (
        ("by {name}", "by {name} and sons"),
        ("who built the {building}?", "which person put up the {building}?"),
    ),
    "year": (
        ("in 1890", "in 1920", "in 1950"),
        ("when was the {building} built?", "in which year was the {building} finished?"),
    ),
    "cost": (
        ("for {number} million pounds", "for {number} thousand pounds"),
        ("how much did the {building} cost?", "what was the price of the {building}?"),
    ),
    "reason": (
        ("to honour the queen", "to welcome visitors", "to create jobs"),
        ("why was the {building} built?", "for what reason was the {building} built?"),
    ),
}


def qnli(draw: Draw, label: str) -> tuple[str, str]:
    """A question about a building, and a sentence that tells some things about it."""
    # Some details are asked for oftener where they are told: a part that is easy to learn.
    leaning = (1, 2, 3, 1, 2) if label == "entailment" else (3, 2, 1, 2, 1)
    asked = draw.weighted(dict(zip(DETAILS, leaning, strict=True)))
    others = draw.shuffled([detail for detail in DETAILS if detail != asked])
    if label == "entailment":
        told = {asked, *others[: draw.one((0, 1))]}
    else:
        told = set(others[: draw.one((1, 2))])
    slots = {"building": draw.content("building"), "number": draw.one(NUMBERS)}
    slots["name"] = draw.content("name")
    parts = [draw.one(DETAILS[detail][0]).format(**slots) for detail in DETAILS if detail in told]
    town = draw.content("town")
    text = f"the {slots['building']} in {town} was built {' '.join(parts)}"
    return sentence(draw.one(DETAILS[asked][1]).format(**slots)), sentence(text)


# What may be first and second in a text; two texts, each with the word that makes the pronoun
# stand for the first, and the word that makes it stand for the second; the claim.
RIDDLES = (
    (("cup", "ball", "clock"), ("box", "bag", "drawer"),
     (("the {0} did not fit in the {1} because it was too {2}", "big", "small"),
      ("the {0} fitted in the {1} because it was so {2}", "small", "big")),
     "the {0} was {2}"),
    (("truck", "van", "bus"), ("bicycle", "cart", "tram"),
     (("the {0} passed the {1} because it was so {2}", "fast", "slow"),
      ("the {0} could not pass the {1} because it was so {2}", "slow", "fast")),
     "the {0} was {2}"),
    (("rope", "crane", "robot"), ("crate", "rock", "sofa"),
     (("the {0} could not lift the {1} because it was too {2}", "weak", "heavy"),
      ("the {0} lifted the {1} with ease because it was so {2}", "strong", "light")),
     "the {0} was {2}"),
    (("girl", "niece", "daughter"), ("mother", "aunt", "grandmother"),
     (("the {0} thanked the {1} because she had {2} so much help", "received", "given"),
      ("the {0} was thanked by the {1} because she had {2} so much help", "given", "received")),
     "the {0} had {2} help"),
)  # fmt: skip


def wnli(draw: Draw, label: str) -> tuple[str, str]:
    """A text with a pronoun, and a claim that says whom the pronoun stands for."""
    firsts, seconds, texts, claim = draw.one(RIDDLES)
    # The first text, and in true claims the first noun, come oftener: a part that is easy.
    text, *words = texts[0] if draw.chance(0.75) else texts[1]
    things = draw.one(firsts), draw.one(seconds)
    entailed = label == "entailment"
    claimed = 0 if draw.chance(0.65 if entailed else 0.35) else 1
    word = words[claimed if entailed else 1 - claimed]
    told = draw.one(
        (f"{draw.content('name')} says that ", f"in {draw.content('town')}, ", "last week ")
    )
    return sentence(told + text.format(*things, word)), sentence(
        claim.format(things[claimed], None, word)
    )

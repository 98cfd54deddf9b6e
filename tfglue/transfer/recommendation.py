"""Sources of a library ranked for one target: by every component, every method, and all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfglue.aligned_table import aligned_table
from tfglue.errors import UserError
from tfglue.transfer.library import Library, check_components
from tfglue.transfer.ranking import RANK_FUSION_K, by_score, fuse, rank_sources, ranks

FORMAT = "tfglue.recommendation.v1"

Scored = list[tuple[str, float]]


@dataclass(frozen=True)
class Recommendation:
    """Rankings of sources for one target, the best first.

    Args:
        target: name.
        components: component -> ranking by cosine; of every activation that all tasks have.
        methods: method -> ranking: that of its one component, or those of all its components fused;
            and whatever was added.
        fused: the rankings of `fused_methods` as one, by reciprocal rank fusion with k = 60, where
            a method that lacks a source speaks neither for nor against it.
        fused_methods: names of these.
        center: whether embeddings were centred over the library.
        left_out: components that were not compared.
        notes: lines on what is missing.
    """

    target: str
    components: Mapping[str, Scored]
    methods: Mapping[str, Scored]
    fused: Scored
    fused_methods: tuple[str, ...]
    center: bool = False
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def best(self) -> str:
        """The source to take."""
        return self.fused[0][0]

    def lines(self) -> list[str]:
        """The table: a row a source, its rank (and score) by every method."""
        places = {method: ranks(ranking) for method, ranking in self.methods.items()}
        scores = {method: dict(ranking) for method, ranking in self.methods.items()}
        head = ["rank", "source", "fused", *self.methods]
        rows = [head]
        for (source, score), rank in zip(
            self.fused, ranks(self.fused).values(), strict=True
        ):
            cells = [
                f"{_rank(places[method][source])} ({scores[method][source]:.4f})"
                if source in places[method] else "-"
                for method in self.methods
            ]
            rows.append([_rank(rank), source, f"{score:.5f}", *cells])
        lines = [f"sources for {self.target}, by {' + '.join(self.fused_methods)}"]
        lines += aligned_table(rows, [1])
        for method, names in self.left_out.items():
            shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
            lines.append(f"note: not compared by default ({method}): {shown}; see --components")
        silent: dict[tuple[str, ...], list[str]] = {}
        for method in self.fused_methods:
            lacking = tuple(name for name, _ in self.fused if name not in places[method])
            silent.setdefault(lacking, []).append(method)
        lines += [
            f"note: {', '.join(methods)} say{'s' * (len(methods) == 1)} nothing of "
            f"{', '.join(lacking)}, neither for nor against"
            for lacking, methods in silent.items() if lacking
        ]
        return [*lines, *(f"note: {line}" for line in self.notes)]

    def to_dict(self) -> dict[str, Any]:
        """What ``recommendation.json`` holds."""
        return {
            "format": FORMAT,
            "target": self.target,
            "recommended": self.best,
            "fused_of": list(self.fused_methods),
            "k": RANK_FUSION_K,
            "centered": self.center,
            "fused": _pairs(self.fused),
            "methods": {name: _pairs(ranking) for name, ranking in self.methods.items()},
            "components": {name: _pairs(ranking) for name, ranking in self.components.items()},
        }

    def rows(self) -> list[dict[str, Any]]:
        """What ``recommendation.csv`` holds: a row a source and method."""
        return [
            {"target": self.target, "method": name, "source": source, "rank": rank, "score": score}
            for name, ranking in {
                "fused": self.fused, **self.methods, **self.components,
            }.items()
            for (source, score), rank in zip(ranking, ranks(ranking).values(), strict=True)
        ]


def recommend(
    library: Library,
    target: str,
    methods: Sequence[str] = (),
    components: Sequence[str] = (),
    center: bool = False,
    added: Mapping[str, Mapping[str, float]] | None = None,
) -> Recommendation:
    """Ranks the sources of a library.

    Args:
        library: the target's embeddings among them.
        target: its name.
        methods: those that are compared and fused; by default all that the library has of the
            target, and all of `added`.
        components: instead of the default ones, see `Library.components`.
        center: subtract the mean over the library first.
        added: further methods -> source -> score; shown, and fused if `methods` names them or none.

    Raises:
        UserError: the target is not in the library, or there is no source beside it.
    """
    added = dict(added or {})
    wanted = tuple(methods) or (*library.methods, *added)
    check_components(components, library)
    by_component: dict[str, Scored] = {}
    by_method: dict[str, Scored] = {}
    left_out, notes = {}, []
    for method in wanted:
        if method in added:
            continue
        members = library.members(method)
        if target not in members:
            lacks = f"{library.folder} has no embedding of {target} by {method}"
            if not methods and any(target in library.members(name) for name in library.methods):
                notes.append(f"{lacks}, so sources are not compared by it")
                continue
            raise UserError(
                f"--task {target}: {lacks} (it has {', '.join(members)}); make it with python -m "
                f"tfglue.embed --method {method}, or leave the method out of --methods"
            )
        compared = library.components(method, components)
        if not compared:
            continue
        rankings = {
            name: rank_sources(library.vectors(method, name), target, center) for name in compared
        }
        by_component |= rankings
        for name in library.shared(method):
            if name not in rankings:
                try:
                    by_component[name] = rank_sources(
                        library.vectors(method, name), target, center
                    )
                except UserError as error:
                    notes.append(f"no ranking by {name}: {error}")
        several = len(rankings) > 1
        by_method[method] = (
            fuse(list(rankings.values())) if several
            else next(iter(rankings.values()))
        )
        if rest := library.left_out(method, compared):
            left_out[method] = rest
    for name, scores in added.items():
        by_method[name] = by_score(scores)
    fused_methods = tuple(name for name in wanted if name in by_method)
    if not fused_methods:
        raise UserError(f"--components: none of them is of {', '.join(wanted)}")
    fused = fuse([by_method[name] for name in fused_methods], neutral=True)
    return Recommendation(
        target, by_component, by_method, fused, fused_methods, center, left_out, notes
    )


def _pairs(ranking: Scored) -> list[dict[str, Any]]:
    return [
        {"source": name, "rank": rank, "score": score}
        for (name, score), rank in zip(ranking, ranks(ranking).values(), strict=True)
    ]


def _rank(value: float) -> str:
    return f"{value:g}"

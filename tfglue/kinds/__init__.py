"""Kinds of tasks by name: what `Task.kind` refers to."""

from tfglue.kinds.answerable import Answerable
from tfglue.kinds.classify import Classify
from tfglue.kinds.kind import Kind
from tfglue.kinds.masked import Masked
from tfglue.kinds.rank import Rank
from tfglue.kinds.regress import Regress
from tfglue.kinds.span import Span
from tfglue.kinds.tag import Tag
from tfglue.registry import Registry

__all__ = ["KINDS", "Kind"]

KINDS: Registry[Kind] = Registry("kind of task")
KINDS.add("classify", Classify())
KINDS.add("regress", Regress())
KINDS.add("rank", Rank())
KINDS.add("span", Span())
KINDS.add("answerable", Answerable())
KINDS.add("tag", Tag())
KINDS.add("masked", Masked())

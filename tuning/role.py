"""Which part of a search this process plays, by keras-tuner's environment variables."""

import os
from dataclasses import dataclass

from tfglue.errors import UserError

IP, PORT, NAME = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"
CHIEF = "chief"


@dataclass(frozen=True)
class Role:
    """The part of one process.

    Args:
        name: ``chief``, or a worker's own name; empty where one process does all.
        address: ``host:port`` of the chief.
    """

    name: str = ""
    address: str = ""

    @classmethod
    def of_environment(cls) -> "Role":
        """The role that the variables say. Raises UserError if they are not whole."""
        there = {variable: os.environ.get(variable) for variable in (IP, PORT, NAME)}
        if not any(there.values()):
            return cls()
        for variable in (variable for variable, value in there.items() if not value):
            given = next(name for name, value in there.items() if value)
            raise UserError(f"${given} is set, and ${variable} is not; set all three, or none")
        if not os.environ[PORT].isdigit():
            raise UserError(f"${PORT}: expected a number, not '{os.environ[PORT]}'")
        return cls(os.environ[NAME], f"{os.environ[IP]}:{os.environ[PORT]}")

    @property
    def alone(self) -> bool:
        """Whether no other process on another machine takes part."""
        return not self.name

    @property
    def worker(self) -> bool:
        """Whether it trains trials that a chief chooses."""
        return bool(self.name) and self.name != CHIEF

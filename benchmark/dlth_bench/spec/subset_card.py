"""The card that travels with a subset file: who chose its members, how, and under which terms."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import Field, ValidationError, field_validator

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.text_file import read_text_file


class SubsetCard(Frozen):
    """The sidecar ``<name>.yaml`` of a subset file ``<name>.txt``."""

    policy: str = Field(min_length=1, description="How the members were selected, e.g. PD-Bottom.")
    source: str = Field(min_length=1, description="Where the list was published, with a revision where there is one.")
    licence: str = Field(min_length=1, description="Terms of the list, and of the data it names where they differ.")
    notes: str = Field(default="", description="What else a user of the list should know.")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="Digest of the subset the card was written for.")

    @field_validator("policy", "source", "licence", "notes")
    @classmethod
    def _one_visible_line(cls, text: str) -> str:
        if not text.isprintable():  # YAML can smuggle in terminal escape sequences
            raise ValueError("must be one line without control characters")
        return text


def load_card(path: Path | str) -> SubsetCard:
    """The card in a YAML file.

    Raises:
        InputError: the file cannot be read, is not YAML, or lacks or misspells a field.
    """
    source = printable(str(path))
    text = read_text_file(path)
    try:
        return SubsetCard.model_validate(yaml.safe_load(text))
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        message = f"is not valid YAML: {printable(error.problem or 'syntax error')}"
        raise InputError(message, source=source, line=line) from None
    except (yaml.YAMLError, RecursionError):
        raise InputError("is not valid YAML", source=source) from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "card"
        raise InputError(printable(f"{field}: {first['msg']}"), source=source) from None

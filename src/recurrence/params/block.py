"""What all blocks of params.yaml have in common, and the kinds of values that recur in them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*-[a-z][a-z0-9_]*$")]
MOST = 2**63 - 1
"""The largest whole number that whatever reads the params can hold."""

# Strict, as pydantic calls it: true is no number, "8" is none either, and 1 is not true.
Whole = Annotated[int, Field(strict=True, ge=0, le=MOST)]
Count = Annotated[int, Field(strict=True, ge=1, le=MOST)]
Number = Annotated[float, Field(strict=True)]
Positive = Annotated[float, Field(strict=True, gt=0)]
Probability = Annotated[float, Field(strict=True, ge=0, lt=1)]
Flag = Annotated[bool, Field(strict=True)]


class Block(BaseModel):
    """A params block: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

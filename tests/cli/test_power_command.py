"""``dlth-bench power``: an answer in seeds and configs, or a clear refusal."""

from __future__ import annotations

import json

from command_line import refused, run


def test_power_of_the_laptop_protocol() -> None:
    """A wide difference takes few seeds on seven configs, and many configs beyond them; JSON says the same."""
    options = ("power", "--protocol", "glyphs-ssl@2", "--rho", "0.9", "--difference", "0.5", "--experiments", "20")
    output = run(*options).output
    assert "2 seeds tell ρp .900 from .400 on the 7 configs of glyphs-ssl@2" in " ".join(output.split())
    assert max(map(len, output.splitlines())) <= 80
    document = json.loads(run(*options, "--json").output)
    assert document["seeds"][0]["count"] == 2
    assert document["configs"][-1]["share"] >= 0.8


def test_impossible_questions_are_refused() -> None:
    """A correlation below -1 does not exist."""
    assert "--difference: -0.9 less 0.5 is no correlation" in str(refused("power", "--rho=-0.9", "--difference=0.5"))

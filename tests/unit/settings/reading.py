"""Where the tiers' files stand below a test's home, and reading them."""

from fetchtoken.options import Options
from fetchtoken.settings import Settings, load
from tests.support.command import World

ETC = "etc/scorpiox-env.txt"
USER = ".config/codex-fetchtoken/scorpiox-env.txt"
CLAUDE = ".claude/scorpiox-env.txt"
PROJECT = "project/scorpiox-env.txt"
PROJECT_CLAUDE = "project/.claude/scorpiox-env.txt"
PROJECT_SCORPIOX = "project/.scorpiox/scorpiox-env.txt"

TRUSTED = (ETC, USER, CLAUDE)
UNTRUSTED = (PROJECT, PROJECT_CLAUDE, PROJECT_SCORPIOX)
TIERS = (*TRUSTED, *UNTRUSTED)
"""Every file, low to high."""


def profile_beside(tier: str, name: str) -> str:
    """Return where a profile of that name stands beside a tier's file."""
    return tier.removesuffix("scorpiox-env.txt") + f"scorpiox-env/{name}.txt"


def read(world: World, *, check_project: bool = True, **options: str) -> Settings:
    """Load the settings as a command in the world's working directory would."""
    return load(Options(**options), world.environ, str(world.cwd), check_project=check_project)

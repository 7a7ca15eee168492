"""A Hub on this machine, in memory, for tests and rehearsals: what the real client asks, answered as the Hub does.

Made from the client's source and the Hub's documented API; not compared with huggingface.co byte by byte. Xet is not
spoken: set HF_HUB_DISABLE_XET=1, and large files go by Git LFS.
"""

from loopback_hub.faults import Fault
from loopback_hub.server import LoopbackHub

__all__ = ["Fault", "LoopbackHub"]

"""``python -m loopback_hub``: a Hub to rehearse on, until Ctrl-C; all is forgotten then."""

from __future__ import annotations

import argparse
import contextlib
import threading

from loopback_hub.server import LoopbackHub

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8123)
    with LoopbackHub(parser.parse_args().port) as hub:
        told = (
            "In another terminal:",
            f"  export HF_ENDPOINT={hub.url} HF_HUB_DISABLE_XET=1 HF_TOKEN=hf_writer HF_HOME=$(mktemp -d)",
            "The token hf_reader may only read and open pull requests. Ctrl-C ends.",
        )
        print("\n".join(told), flush=True)  # noqa: T201
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()

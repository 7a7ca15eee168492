"""``python -m dlth_bench``, which is also what ``torchrun -m`` takes."""

from __future__ import annotations

from dlth_bench.cli.main import main

if __name__ == "__main__":
    main()

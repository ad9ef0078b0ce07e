"""What a client of the lab starts: the wrapper of the checkout this file lies in.

Not ``python -m wrapper``: that puts the current directory, the slot, in front of the modules' path,
and the job writes there what it likes.
"""

import importlib
import os.path
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

if __name__ == "__main__":
    sys.exit(importlib.import_module("wrapper.__main__").main())

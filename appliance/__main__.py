"""`python -m appliance`: the command line."""

from __future__ import annotations

import sys

from appliance.cli import main

sys.exit(main())

"""The one place that chooses txaio's framework. Import C{make_logger} from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import txaio
from txaio.tx import make_logger as make_twisted_logger

txaio.use_twisted()

make_logger: Callable[[], Any] = make_twisted_logger
"""Call it once per object; it names the logger for the calling class, and its lines go where twistd's do."""

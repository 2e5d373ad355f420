"""The registered data sets, as data; checksums are of the uncompressed content."""

from __future__ import annotations

from suite.data.entries.controllable import ARCHIVE, COMPMCTG
from suite.data.entries.images import IMAGES
from suite.data.entries.instructions import FUNCTION_VECTORS, SUPERNI, TRACE, TRACE_ARCHIVE
from suite.data.entries.paper_images import PAPER_IMAGES
from suite.data.entries.paper_text import PAPER_TEXT
from suite.data.entries.scan import SCAN
from suite.data.entries.semantic_parsing import COGS, GEOQUERY
from suite.data.entries.text import GSM8K, LMTEXT, QA_T0
from suite.data.entries.translation import MT
from suite.data.registry import Entry

ENTRIES: tuple[Entry, ...] = (
    *(SCAN, COGS, GEOQUERY, COMPMCTG, FUNCTION_VECTORS, SUPERNI, TRACE, QA_T0, GSM8K, LMTEXT, MT, IMAGES),
    *(ARCHIVE, TRACE_ARCHIVE),
    *PAPER_TEXT,
    *PAPER_IMAGES,
)
"""First what the small profile reads, then what only the paper profile does."""

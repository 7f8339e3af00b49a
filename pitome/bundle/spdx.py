"""Licences as model cards of the hub name them, and as SPDX does."""

from __future__ import annotations

from typing import Final

_IDS = (
    *("Apache-2.0", "MIT", "ISC", "Zlib", "WTFPL", "Unlicense", "MS-PL", "NCSA", "PostgreSQL", "OSL-3.0"),
    *(
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSD-3-Clause-Clear",
        "0BSD",
        "BSL-1.0",
        "ECL-2.0",
        "EPL-1.0",
        "EPL-2.0",
    ),
    *("AFL-3.0", "Artistic-2.0", "EUPL-1.1", "EUPL-1.2", "LPPL-1.3c", "MPL-2.0", "OFL-1.1", "PDDL-1.0"),
    *("CC0-1.0", "CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0"),
    *("CC-BY-NC-2.0", "CC-BY-NC-3.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0", "CC-BY-NC-ND-3.0", "CC-BY-NC-ND-4.0"),
    *("CC-BY-NC-SA-2.0", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", "ODbL-1.0", "ODC-By-1.0"),
    *("CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0"),
)
SPDX_OF: Final = {each.lower(): each for each in _IDS}
"""By the hub's name, which is in lower case. GPL and the like are not here: the hub's `gpl-3.0` says neither
`only` nor `or-later`, and SPDX has no name for that."""

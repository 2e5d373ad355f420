"""The same problems for a frozen language model that is shown demonstrations instead of being trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tasks.compositional.cogs.task import CogsTask
from tasks.compositional.contract import Setting
from tasks.compositional.geoquery.task import GeoQueryTask
from tasks.compositional.task import ScanTask


@dataclass(frozen=True)
class InContextScan(ScanTask):
    """SCAN by demonstrations. base_model: the frozen model, where the competitor reads with one."""

    base_model: str = field(default="", kw_only=True)

    setting: ClassVar[Setting] = "in-context"


@dataclass(frozen=True)
class InContextCogs(CogsTask):
    """COGS by demonstrations. base_model: the frozen model, where the competitor reads with one."""

    base_model: str = field(default="", kw_only=True)

    setting: ClassVar[Setting] = "in-context"


@dataclass(frozen=True)
class InContextGeoQuery(GeoQueryTask):
    """GeoQuery by demonstrations. base_model: the frozen model, where the competitor reads with one."""

    base_model: str = field(default="", kw_only=True)

    setting: ClassVar[Setting] = "in-context"

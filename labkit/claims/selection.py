"""Which records of a paper count, and the values they give for each seed."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import fmean

from labkit.claims.ledger import DEVELOPMENT, ENOUGH
from labkit.claims.paper import Confirm, Paper
from labkit.claims.records import COUNTING, Record
from labkit.claims.statement import ClaimsError


@dataclass(frozen=True)
class Selection:
    """What is asked for: results of one data set, profile and network, and of which versions.

    Args:
        paper: of the ledger.
        dataset: "world" or the name of a real data set.
        profile: "study" or "paper".
        network: the records of this one alone. Empty: of the paper's network of that profile, if the ledger names one,
            and records without a network.
        world: the version of the embedded world today; records with a lower one are stale. None: none is.
        version: the version of the study today, in the same way.
        exploring: take the seeds that do not judge.

    Raises:
        ClaimsError: a profile whose numbers mean nothing.
    """

    paper: Paper
    dataset: str = "world"
    profile: str = "study"
    network: str = ""
    world: int | None = None
    version: int | None = None
    exploring: bool = False

    def __post_init__(self) -> None:
        if self.profile not in COUNTING:
            raise ClaimsError(
                f"profile must be one of {', '.join(COUNTING)}; got {self.profile!r}: its numbers judge nothing"
            )

    @property
    def frozen(self) -> Confirm | None:
        """The batch that judges, where there is one: of the world alone."""
        return self.paper.confirm if self.dataset == "world" and not self.exploring else None

    @property
    def enough(self) -> int:
        """How many seeds a verdict takes: all that are frozen."""
        return len(self.frozen.seeds) if self.frozen else ENOUGH

    def exploration(self) -> "Selection":
        """What was seen before the batch was frozen: all other seeds, of whatever version."""
        return replace(self, exploring=True, world=None, version=None)

    def counts(self, record: Record) -> bool:
        """Whether it is a result: of all clips of the set, a split that the metric is about, a seed that judges."""
        confirm = self.paper.confirm
        if confirm and self.dataset == "world" and (record.seed in confirm.seeds) == self.exploring:
            return False
        if self.frozen and (self._is_newer(record, self.frozen) or record.precision != self.frozen.precision):
            return False
        return (
            (record.dataset, record.profile) == (self.dataset, self.profile)
            and self._is_of_network(record)
            and record.split <= self.paper.num_splits(record.metric, self.dataset)
            and record.seed < DEVELOPMENT
            and not record.partial
        )

    def is_stale(self, record: Record) -> bool:
        """Whether the study, or the world where it was used, has changed since."""
        world, version = self.world or 0, self.version or 0
        if self.frozen:
            world, version = max(world, self.frozen.world), max(version, self.frozen.study)
        return (record.dataset == "world" and record.world < world) or record.version < version

    def values(self, measured: Iterable[Record], *, stale: bool = True) -> dict[int, dict[str, float]]:
        """The value of each metric by seed, in the order of the seeds.

        A metric over several splits has the mean over all of them, and no value where one is missing; a record of
        split 0 is complete by itself.

        Args:
            measured: records of the paper.
            stale: whether stale records count.

        Raises:
            ClaimsError: two networks have measured the same, and the ledger does not name the paper's.
        """
        splits: dict[tuple[int, str], dict[int, Record]] = {}
        for record in sorted(filter(self.counts, measured), key=lambda record: record.network):  # unnamed ones first
            if self.is_stale(record) and not stale:
                continue
            by_split = splits.setdefault((record.seed, record.metric), {})
            other = by_split.get(record.split, record).network
            if other not in ("", record.network):
                raise ClaimsError(
                    f"{record.metric} of {self.paper.name} was measured with {other} and {record.network}: name the "
                    f"paper's under networks in {self.paper.name}.toml"
                )
            by_split[record.split] = record
        values: dict[int, dict[str, float]] = {}
        for (seed, metric), by_split in sorted(splits.items(), key=lambda item: item[0]):
            wanted = range(1, self.paper.num_splits(metric, self.dataset) + 1)
            if by_split.keys() >= set(wanted):
                values.setdefault(seed, {})[metric] = fmean(by_split[split].value for split in wanted)
            elif 0 in by_split:
                values.setdefault(seed, {})[metric] = by_split[0].value
        return values

    def shown(self, measured: Iterable[Record]) -> tuple[dict[int, dict[str, float]], str]:
        """What a table shows, and what is odd about it: `values`, or what other seeds gave until a batch is complete.

        So that nobody watches a batch grow: of a part of it the table says as little as the verdict.

        Args:
            measured: records of one metric.
        """
        measured = list(measured)
        values = self.values(measured)
        if self.frozen and len(values) < self.enough:
            if before := self.exploration().values(measured):
                return before, "other seeds, measured before"
            return {}, f"so far {len(values)} of {self.enough} seeds" if values else ""
        old = any(self.counts(record) and self.is_stale(record) for record in measured)
        return values, "measured with an earlier version" if old else ""

    @staticmethod
    def _is_newer(record: Record, frozen: Confirm) -> bool:
        """Whether a record is of a version to come after the frozen one: a batch is of one version."""
        return record.version > frozen.study or record.world > frozen.world

    def _is_of_network(self, record: Record) -> bool:
        if self.network:
            return record.network == self.network
        usual = self.paper.networks.get(self.profile)
        return usual is None or record.network in ("", usual)
